//! Whatever the bytes: reading them as a properties file never panics, and what was read survives being written plainly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raccord_config::properties;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = properties::parse(data) else { return };
    let mut text = String::new();
    for (key, value) in config.iter() {
        text.push_str(&format!("{}={}\n", escaped(key), escaped(value.unwrap_or_default())));
    }
    let again = properties::parse(text.as_bytes()).expect("what was escaped can be read");
    assert_eq!(again, config);
});

/// Every character as an escape, so that none means anything.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}
