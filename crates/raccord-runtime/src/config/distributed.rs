//! Checks of the keys of distributed mode.

use raccord_config::{Validator, invalid_value};

/// The algorithms that sign requests between workers: the HMACs of a JVM that are not broken.
pub const SIGNATURE_ALGORITHMS: [&str; 6] =
    ["HmacSHA1", "HmacSHA224", "HmacSHA256", "HmacSHA384", "HmacSHA512", "HmacMD5"];

/// A version of the group protocol.
pub(super) fn connect_protocol() -> Validator {
    Validator::new("[eager, compatible, sessioned]", |name, value| {
        let known = ["eager", "compatible", "sessioned"];
        match value.as_str() {
            Some(text) if known.iter().any(|known| known.eq_ignore_ascii_case(text)) => Ok(()),
            _ => Err(invalid_value(name, value, "Invalid Connect protocol compatibility")),
        }
    })
}

/// An algorithm that makes keys.
pub(super) fn key_algorithm() -> Validator {
    algorithm("Any KeyGenerator algorithm supported by the worker JVM")
}

/// An algorithm that signs.
pub(super) fn signature_algorithm() -> Validator {
    algorithm("Any MAC algorithm supported by the worker JVM")
}

fn algorithm(description: &'static str) -> Validator {
    Validator::new(description, |name, value| match value.as_str() {
        Some(text) => known_algorithm(name, text),
        None => Err(invalid_value(name, value, "Value must be non-null")),
    })
}

/// Algorithms, at least one.
pub(super) fn verification_algorithms() -> Validator {
    let description = "A list of one or more MAC algorithms, each supported by the worker JVM";
    Validator::new(description, |name, value| match value.as_list() {
        None => Err(invalid_value(name, value, "Value must be non-null")),
        Some([]) => {
            Err(invalid_value(name, value, "At least one signature verification algorithm must be provided"))
        }
        Some(items) => items.iter().try_for_each(|item| known_algorithm(name, item)),
    })
}

fn known_algorithm(name: &str, algorithm: &str) -> Result<(), String> {
    if SIGNATURE_ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(algorithm)) {
        return Ok(());
    }
    let message = format!(
        "the algorithm is not supported by this JVM; the supported algorithms are: [{}]",
        SIGNATURE_ALGORITHMS.join(", ")
    );
    Err(invalid_value(name, algorithm, &message))
}
