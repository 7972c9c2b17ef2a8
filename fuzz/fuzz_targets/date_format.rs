//! Whatever the pattern and the text: reading them never panics; a moment that was written with all its fields is read
//! back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raccord_transforms::date_format::SimpleDateFormat;

fuzz_target!(|input: (&str, &str, i64)| {
    let (pattern, text, ms) = input;
    if let Ok(format) = SimpleDateFormat::with_century_start(pattern, -728_913_600_000) {
        let _ = format.parse(text);
        let written = format.format(ms);
        let _ = format.parse(&written);
    }
    // Years that fit the 32 bits of a field.
    let ms = ms % 60_000_000_000_000_000;
    for pattern in ["G yyyy-MM-dd HH:mm:ss.SSS", "G yyyy D k:m:s:SSS", "SSS ss mm KK a dd MMM yyyy GGGG z"] {
        let format = SimpleDateFormat::with_century_start(pattern, 0).expect("a pattern");
        // The first year of the Gregorian calendar counts its days from a Julian first of January.
        let written = format.format(ms);
        if !written.contains("1582") {
            assert_eq!(format.parse(&written), Ok(ms), "{written}");
        }
    }
});
