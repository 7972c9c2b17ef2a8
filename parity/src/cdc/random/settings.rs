//! Random settings of the connector, about the tables at hand.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};

use super::tables::Table;

/// Settings besides those that every connector of the run has.
pub type Settings = Vec<(String, String)>;

/// Draws settings. Most keys keep their defaults, so that each of the others meets many tables.
pub fn random(rng: &mut StdRng, tables: &[Table]) -> Settings {
    let mut settings = Settings::new();
    choices(rng, &mut settings);
    tables_and_columns(rng, tables, &mut settings);
    settings
}

fn choices(rng: &mut StdRng, settings: &mut Settings) {
    const CHOICES: &[(&str, f64, &[&str])] = &[
        ("decimal.handling.mode", 0.6, &["string", "double"]),
        (
            "time.precision.mode",
            0.6,
            &["adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"],
        ),
        ("binary.handling.mode", 0.5, &["base64", "base64-url-safe", "hex"]),
        ("interval.handling.mode", 0.4, &["string"]),
        ("hstore.handling.mode", 0.4, &["map"]),
        ("money.fraction.digits", 0.1, &["0", "4"]),
        ("include.unknown.datatypes", 0.3, &["true"]),
        ("tombstones.on.delete", 0.2, &["false"]),
        ("skipped.operations", 0.3, &["none", "none", "t,d", "u", "c"]),
        ("provide.transaction.metadata", 0.25, &["true"]),
        ("snapshot.mode", 0.3, &["always", "no_data", "when_needed", "initial_only"]),
        ("snapshot.isolation.mode", 0.2, &["repeatable_read", "read_committed"]),
        ("snapshot.locking.mode", 0.1, &["shared"]),
        ("schema.name.adjustment.mode", 0.2, &["avro", "avro_unicode"]),
        ("field.name.adjustment.mode", 0.2, &["avro", "avro_unicode"]),
        ("extended.headers.enabled", 0.2, &["false"]),
        ("skip.messages.without.change", 0.2, &["true"]),
        ("publication.autocreate.mode", 0.3, &["filtered"]),
        ("unavailable.value.placeholder", 0.2, &["none of it", "hex:4e6f6e65"]),
        ("schema.refresh.mode", 0.2, &["columns_diff_exclude_unchanged_toast"]),
        ("column.propagate.source.type", 0.15, &[".*"]),
        ("datatype.propagate.source.type", 0.1, &[".+\\.(numeric|varchar|timestamp)"]),
        ("event.processing.failure.handling.mode", 0.1, &["warn", "skip"]),
    ];
    for (key, chance, values) in CHOICES {
        if rng.random_bool(*chance)
            && let Some(value) = values.choose(rng)
        {
            settings.push(((*key).to_owned(), (*value).to_owned()));
        }
    }
}

/// A regular expression for a column of one of the tables that is no key.
fn column(rng: &mut StdRng, tables: &[Table]) -> Option<String> {
    let table = tables.choose(rng)?;
    let column = table.columns[table.keys..].choose(rng)?;
    Some(format!("{}\\.{}", table.pattern(), column.name))
}

fn tables_and_columns(rng: &mut StdRng, tables: &[Table], settings: &mut Settings) {
    let mut put = |key: &str, value: String| settings.push((key.to_owned(), value));
    if tables.len() > 1 && rng.random_bool(0.2) {
        let count = rng.random_range(1..tables.len());
        let chosen: Vec<String> =
            tables.iter().choose_multiple(rng, count).iter().map(|t| t.pattern()).collect();
        put(
            ["table.include.list", "table.exclude.list"].choose(rng).unwrap_or(&"table.include.list"),
            chosen.join(","),
        );
    } else if rng.random_bool(0.1) {
        put("schema.include.list", "public,random".to_owned());
    }
    match rng.random_range(0..10) {
        0 | 1 => column(rng, tables).into_iter().for_each(|column| put("column.exclude.list", column)),
        2 => {
            // All keys and some of the others.
            let mut list: Vec<String> = Vec::new();
            for table in tables {
                for (place, column) in table.columns.iter().enumerate() {
                    if place < table.keys || rng.random_bool(0.6) {
                        list.push(format!("{}\\.{}", table.pattern(), column.name));
                    }
                }
            }
            put("column.include.list", list.join(","));
        }
        _ => {}
    }
    for key in [
        "column.mask.with.7.chars",
        "column.mask.with.0.chars",
        "column.truncate.to.3.chars",
        "column.mask.hash.SHA-256.with.salt.pepper",
        "column.mask.hash.v2.MD5.with.salt.pepper",
    ] {
        if rng.random_bool(0.08)
            && let Some(column) = column(rng, tables)
        {
            put(key, column);
        }
    }
    if rng.random_bool(0.15)
        && let Some(table) = tables.choose(rng)
    {
        let count = rng.random_range(1..3);
        let columns: Vec<&str> = table.columns.iter().map(|column| &*column.name).choose_multiple(rng, count);
        let value = format!("{}:{}", table.pattern(), columns.join(","));
        // Spaces are refused.
        put("message.key.columns", if rng.random_bool(0.9) { value.replace(' ', ".") } else { value });
    }
    if rng.random_bool(0.1)
        && let Some(table) = tables.choose(rng)
    {
        put("replica.identity.autoset.values", format!("{}:FULL", table.pattern()));
    }
    if rng.random_bool(0.1)
        && let Some(table) = tables.choose(rng)
    {
        put("snapshot.include.collection.list", table.pattern());
    }
}
