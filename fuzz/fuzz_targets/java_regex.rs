//! Whatever the pattern, the text and the replacement: compiling and matching never panic, a match lies within the text
//! at characters, a whole match is found by a search from the start, and a pattern that is literal text matches itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use raccord_config::JavaRegex;

fuzz_target!(|input: (&str, &str, &str)| {
    let (pattern, text, replacement) = input;
    if pattern.len() > 300 || text.len() > 200 {
        return;
    }
    let quoted = format!("\\Q{}\\E", pattern.replace("\\E", "\\E\\\\E\\Q"));
    let literal = JavaRegex::new(&quoted).expect("a quoted text is a pattern");
    assert_eq!(literal.full_match(pattern), Ok(true), "{quoted}");

    let Ok(regex) = JavaRegex::new(pattern) else { return };
    let whole = regex.full_captures(text);
    assert_eq!(regex.full_match(text).is_ok(), whole.is_ok());
    if let (Ok(whole), Ok(found)) = (whole, regex.captures_at(text, 0)) {
        if let Some(whole) = whole {
            assert_eq!(whole.get(0), Some(text));
            assert!(found.is_some(), "a whole match is one that is found");
        }
        if let Some(found) = found {
            for group in 0..=regex.group_count() {
                assert_eq!(found.range(group).is_some(), found.get(group).is_some());
            }
        }
    }
    let replacement = regex.replacement(replacement);
    let _ = regex.replace_all(text, &replacement);
    let _ = regex.replace_first(text, &replacement);
});
