//! Transactions without end on two tables, by seed: inserts, updates, changed keys, deletes, savepoints, rollbacks.

use rand::Rng;
use rand::rngs::StdRng;

/// The tables.
pub const TABLES: [&str; 2] = ["plain", "whole"];

/// Makes the tables: one with the default replica identity, one with the full one.
pub const CREATE: &str = "\
    CREATE TABLE plain (id int PRIMARY KEY, v bigint, pad text); \
    CREATE TABLE whole (id int PRIMARY KEY, v bigint, pad text); \
    ALTER TABLE whole REPLICA IDENTITY FULL";

/// A script of several transactions.
pub fn script(random: &mut StdRng) -> String {
    let mut script = String::new();
    for _ in 0..random.random_range(1..12) {
        script.push_str("BEGIN;\n");
        for _ in 0..random.random_range(1..8) {
            script.push_str(&statement(random));
        }
        script.push_str(if random.random_bool(0.93) { "COMMIT;\n" } else { "ROLLBACK;\n" });
    }
    script
}

fn statement(random: &mut StdRng) -> String {
    let table = TABLES[random.random_range(0..TABLES.len())];
    let (id, other) = (random.random_range(0..400), random.random_range(0..400));
    let value: u32 = random.random();
    match random.random_range(0..10) {
        0..=3 => format!(
            "INSERT INTO {table} VALUES ({id}, {value}, repeat('x', {})) ON CONFLICT (id) DO UPDATE SET v = {value};\n",
            value % 300
        ),
        4..=6 => format!("UPDATE {table} SET v = {value} WHERE id BETWEEN {id} AND {};\n", id + 2),
        7 => format!("UPDATE {table} SET id = {other} WHERE id = {id};\n"),
        _ => format!("DELETE FROM {table} WHERE id = {id};\n"),
    }
}
