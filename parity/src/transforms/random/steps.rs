//! Random configs of transforms and predicates, most of them valid.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json};

use super::data::{NAMES, pick};

/// How a key's value is made up.
enum Text {
    /// One of these.
    Of(&'static [&'static str]),
    /// The name of a field.
    Name,
    /// The name of a field, perhaps with a mark.
    Marked,
    /// A path to a field.
    Path,
    /// Names of fields, each once.
    Names,
    /// Pairs of old and new names.
    Renames,
    /// Fields with types, or a type.
    Casts,
    /// As many headers as there were fields.
    Headers,
}

use Text::{Casts, Headers, Marked, Name, Names, Of, Path, Renames};

/// A key, how often it is given (in percent), and its value.
type Key = (&'static str, u32, Text);

const FLAG: Text = Of(&["true", "false", "TRUE"]);
const TYPES: &[&str] =
    &["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "INT32", "bytes"];
const FORMATS: &[&str] = &[
    "yyyy-MM-dd",
    "yyyyMMdd",
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "HH",
    "EEE d MMM yy",
    "DDD w",
    "h:mm a z",
    "S",
];
const REGEXES: &[&str] = &[
    "(.*)",
    "topic",
    "t(.*)c",
    "(\\w+)-(\\d+)",
    "a|topic",
    "[a-z]+",
    "db\\.(.*)",
    ".*\\.(?<t>[^.]+)",
    "t.*?",
    "x*",
    "(?i)TOPIC.*",
];
const REPLACEMENTS: &[&str] = &["$1", "x-$0", "new", "$1-$1", "a\\$b", "$2", "${t}", ""];

const TRANSFORMS: &[(&str, bool, &[Key])] = &[
    ("Cast", true, &[("spec", 98, Casts), ("replace.null.with.default", 30, FLAG)]),
    ("DropHeaders", false, &[("headers", 98, Names)]),
    (
        "ExtractField",
        true,
        &[
            ("field", 98, Path),
            ("field.syntax.version", 50, Of(&["V1", "V2", "v2"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    ("Filter", false, &[]),
    ("Flatten", true, &[("delimiter", 50, Of(&["_", ".", "", "::"]))]),
    (
        "HeaderFrom",
        true,
        &[
            ("fields", 98, Names),
            ("headers", 98, Headers),
            ("operation", 98, Of(&["move", "copy"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    ("HoistField", true, &[("field", 98, Name)]),
    (
        "InsertField",
        true,
        &[
            ("topic.field", 50, Marked),
            ("partition.field", 40, Marked),
            ("offset.field", 20, Marked),
            ("timestamp.field", 40, Marked),
            ("static.field", 30, Marked),
            ("static.value", 40, Of(&["v", "", "5"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    (
        "InsertHeader",
        false,
        &[
            ("header", 98, Name),
            ("value.literal", 98, Of(&["v", "5", "[1,2]", "{a:1}", "null", "2026-01-31", "1.5"])),
        ],
    ),
    (
        "MaskField",
        true,
        &[
            ("fields", 98, Names),
            ("replacement", 40, Of(&["5", "text", "-1.5", "300"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    ("RegexRouter", false, &[("regex", 98, Of(REGEXES)), ("replacement", 98, Of(REPLACEMENTS))]),
    (
        "ReplaceField",
        true,
        &[
            ("exclude", 40, Names),
            ("include", 20, Names),
            ("renames", 60, Renames),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    (
        "SetSchemaMetadata",
        true,
        &[
            ("schema.name", 70, Of(&["com.example.Row", ""])),
            ("schema.version", 60, Of(&["2", "0"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    (
        "TimestampConverter",
        true,
        &[
            ("field", 70, Name),
            ("target.type", 98, Of(&["string", "unix", "Date", "Time", "Timestamp"])),
            ("format", 80, Of(FORMATS)),
            ("unix.precision", 30, Of(&["seconds", "milliseconds", "microseconds", "nanoseconds"])),
            ("replace.null.with.default", 30, FLAG),
        ],
    ),
    (
        "TimestampRouter",
        false,
        &[
            ("topic.format", 50, Of(&["${topic}-${timestamp}", "${timestamp}", "x", "${topic}${topic}"])),
            ("timestamp.format", 50, Of(FORMATS)),
        ],
    ),
    ("ValueToKey", false, &[("fields", 98, Names), ("replace.null.with.default", 30, FLAG)]),
];

const PREDICATES: &[(&str, &[Key])] = &[
    ("HasHeaderKey", &[("name", 98, Name)]),
    ("RecordIsTombstone", &[]),
    ("TopicNameMatches", &[("pattern", 98, Of(REGEXES))]),
];

/// Adds a transform's keys.
pub(super) fn transform(rng: &mut StdRng, prefix: &str, config: &mut Map<String, Json>) {
    let (class, parts, keys) = pick(rng, TRANSFORMS);
    let part = match parts {
        false => "",
        true if rng.random_bool(0.25) => "$Key",
        true => "$Value",
    };
    let class = format!("org.apache.kafka.connect.transforms.{class}{part}");
    config.insert(format!("{prefix}type"), class.into());
    fill(rng, prefix, keys, config);
}

/// Adds a predicate's keys.
pub(super) fn predicate(rng: &mut StdRng, prefix: &str, config: &mut Map<String, Json>) {
    let (class, keys) = pick(rng, PREDICATES);
    let class = format!("org.apache.kafka.connect.transforms.predicates.{class}");
    config.insert(format!("{prefix}type"), class.into());
    fill(rng, prefix, keys, config);
}

fn fill(rng: &mut StdRng, prefix: &str, keys: &[Key], config: &mut Map<String, Json>) {
    let mut listed = 1;
    for (key, percent, text) in keys {
        let value = made_up(rng, text, &mut listed);
        if rng.random_range(0..100) < *percent {
            let odd = rng.random_bool(0.01);
            let value = if odd { (*pick(rng, &["", "?", "a,,b", "1"])).to_owned() } else { value };
            config.insert(format!("{prefix}{key}"), value.into());
        }
    }
}

fn made_up(rng: &mut StdRng, text: &Text, listed: &mut usize) -> String {
    match text {
        Of(texts) => (*pick(rng, texts)).to_owned(),
        Name => (*pick(rng, NAMES)).to_owned(),
        Marked => format!("{}{}", pick(rng, &["n1", "n2", "a", "topic"]), pick(rng, &["", "", "!", "?"])),
        Path => {
            let steps: Vec<String> = (0..rng.random_range(1..3)).map(|_| step(rng)).collect();
            steps.join(".")
        }
        Names => {
            *listed = rng.random_range(1..4);
            let start = rng.random_range(0..NAMES.len());
            let names = (0..*listed).map(|index| NAMES[(start + index * 2) % NAMES.len()]);
            names.collect::<Vec<_>>().join(",")
        }
        Headers => (0..*listed).map(|index| format!("h{index}")).collect::<Vec<_>>().join(","),
        Renames => {
            let pairs = (0..rng.random_range(1..4))
                .map(|_| format!("{}:{}", pick(rng, NAMES), pick(rng, &["z1", "z2", "a", "b", "id"])));
            pairs.collect::<Vec<_>>().join(",")
        }
        Casts if rng.random_bool(0.2) => (*pick(rng, TYPES)).to_owned(),
        Casts => {
            let pairs =
                (0..rng.random_range(1..4)).map(|_| format!("{}:{}", pick(rng, NAMES), pick(rng, TYPES)));
            pairs.collect::<Vec<_>>().join(",")
        }
    }
}

fn step(rng: &mut StdRng) -> String {
    let name = pick(rng, NAMES);
    if rng.random_bool(0.2) { format!("`{name}`") } else { (*name).to_owned() }
}
