//! Checks of settings of topics and of lists of names.

use std::collections::HashSet;

use raccord_config::{Validator, invalid_value};

/// A number of partitions.
pub(crate) fn partitions() -> Validator {
    positive_or_default(
        "Positive number, or -1 to use the broker's default",
        "Number of partitions must be positive, or -1 to use the broker's default",
    )
}

/// A replication factor.
pub(crate) fn replication_factor() -> Validator {
    positive_or_default(
        "Positive number not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default",
        "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 \
         to use the broker's default",
    )
}

fn positive_or_default(description: &'static str, message: &'static str) -> Validator {
    Validator::new(description, move |name, value| match value.as_number() {
        Some(number) if number < 1.0 && number != -1.0 => Err(invalid_value(name, value, message)),
        Some(_) => Ok(()),
        // Kafka fails with a NullPointerException here; a finding says the same without a 500.
        None => Err(invalid_value(name, value, "Value must be non-null")),
    })
}

/// Names, each once.
pub(crate) fn unique_aliases(description: &'static str) -> Validator {
    Validator::new(format!("non-null string, {description}"), |name, value| {
        let Some(items) = value.as_list() else {
            return Validator::non_null().check(name, value);
        };
        if items.iter().collect::<HashSet<_>>().len() < items.len() {
            return Err(invalid_value(name, value, "Duplicate alias provided."));
        }
        Ok(())
    })
}
