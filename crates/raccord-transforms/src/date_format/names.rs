//! English names of `java.text.DateFormatSymbols`.

pub(super) const ERAS: [&str; 2] = ["BC", "AD"];
pub(super) const ERAS_LONG: [&str; 2] = ["Before Christ", "Anno Domini"];
pub(super) const AM_PM: [&str; 2] = ["AM", "PM"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Sunday, as the calendar counts.
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Letters of the short form of months and days.
pub(super) const SHORT: usize = 3;
pub(super) const ZONE: &str = "UTC";
pub(super) const ZONE_LONG: &str = "Coordinated Universal Time";
/// Names of zones that are read, and their offsets in minutes.
pub(super) const ZONES: [(&str, i64); 11] = [
    ("GMT", 0),
    (ZONE, 0),
    (ZONE_LONG, 0),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];
