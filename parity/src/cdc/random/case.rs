//! A case: what one seed stands for.

use rand::rngs::StdRng;
use rand::seq::IndexedMutRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::settings::{self, Settings};
use super::tables::Table;

/// Tables, settings and what happens then.
#[derive(Debug, Serialize)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// Settings of the connector.
    pub settings: Settings,
    /// Makes the tables and the rows that a snapshot meets.
    pub before: Vec<String>,
    /// What happens while the connectors run.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A script of psql: one transaction, or a statement by itself.
    Script(String),
    /// Wait until both have seen everything. Both ask the catalog what a table looks like when they first meet a change
    /// of it, so what they know must not depend on how fast they are.
    Sync,
    /// Stop both, run a script meanwhile, start both.
    Restart(String),
}

/// What the types of the tables need, once for each database. The functions make values too large for a row.
pub const PRELUDE: &str = "
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION isn;
CREATE SCHEMA random; CREATE SCHEMA \"Other\";
CREATE TYPE random.mood AS ENUM ('sad','ok','very happy');
CREATE DOMAIN random.posint AS int4 CHECK (VALUE > 0);
CREATE DOMAIN random.price AS numeric(8,3);
CREATE DOMAIN random.price2 AS random.price;
CREATE DOMAIN random.short AS varchar(7);
CREATE DOMAIN random.moment AS timestamp(3);
CREATE TYPE random.comp AS (a int, b text);
CREATE FUNCTION public.big(n int) RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(md5(i::text), '') FROM generate_series(1, n) i $$;
";

impl Case {
    /// The case of a seed.
    pub fn random(seed: u64) -> Case {
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = &mut rng;
        let (mut tables, mut before) = (Vec::new(), Vec::new());
        for place in 0..rng.random_range(1..4) {
            let (table, statements) = Table::random(rng, place);
            before.extend(statements);
            tables.push(table);
        }
        for table in &tables {
            for _ in 0..rng.random_range(0..5) {
                before.push(table.insert(rng));
            }
        }
        let settings = settings::random(rng, &tables);
        let mut steps = Vec::new();
        for place in 0..rng.random_range(2..9) {
            match rng.random_range(0..12) {
                0 | 1 => {
                    if let Some(ddl) = tables.choose_mut(rng).and_then(|table| table.alter(rng, place)) {
                        steps.extend([Step::Sync, Step::Script(ddl + ";\n")]);
                    }
                }
                2 => {
                    steps.push(Step::Sync);
                    let script =
                        if rng.random_bool(0.6) { transaction(rng, &mut tables) } else { String::new() };
                    steps.push(Step::Restart(script));
                }
                _ => steps.push(Step::Script(transaction(rng, &mut tables))),
            }
        }
        Case { seed, settings, before, steps }
    }
}

/// A transaction, or one statement without.
fn transaction(rng: &mut StdRng, tables: &mut [Table]) -> String {
    let mut script = String::from("BEGIN;\n");
    let (mut savepoints, mut statements) = (0, 0);
    for _ in 0..rng.random_range(1..9) {
        let Some(table) = tables.choose_mut(rng) else { break };
        let statement = match rng.random_range(0..20) {
            0..=6 => table.insert(rng),
            7..=13 if table.changes => table.update(rng),
            14..=16 if table.changes => table.delete(rng),
            17 => format!("TRUNCATE {}", table.qualified()),
            18 => {
                savepoints += 1;
                format!("SAVEPOINT s{savepoints}")
            }
            19 if savepoints > 0 => {
                let to = rng.random_range(1..=savepoints);
                savepoints = to;
                match rng.random_bool(0.7) {
                    true => format!("ROLLBACK TO s{to}"),
                    false => {
                        savepoints = to - 1;
                        format!("RELEASE s{to}")
                    }
                }
            }
            19 => match table.copy(rng) {
                Some(copy) => copy,
                None => table.insert(rng),
            },
            _ => table.insert(rng),
        };
        script.push_str(&statement);
        script.push_str(if statement.ends_with('\n') { "" } else { ";\n" });
        statements += 1;
    }
    if statements == 1 && rng.random_bool(0.7) {
        return script.replacen("BEGIN;\n", "", 1);
    }
    script + if rng.random_bool(0.9) { "COMMIT;\n" } else { "ROLLBACK;\n" }
}
