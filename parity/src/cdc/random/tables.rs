//! Random tables, and random changes of their rows and shapes.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};

use super::columns::{ColumnType, TYPES, key_types};

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name, not quoted.
    pub name: String,
    /// Its type.
    pub ty: &'static ColumnType,
    /// NOT NULL.
    pub required: bool,
    /// Whether inserts may leave it out.
    pub defaults: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its schema, not quoted.
    pub schema: &'static str,
    /// Its name, not quoted.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How many of them, from the first, are the primary key.
    pub keys: usize,
    /// Whether rows can be updated and deleted under its replica identity.
    pub changes: bool,
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn column_name(rng: &mut StdRng, place: usize) -> String {
    match rng.random_range(0..12) {
        0 => format!("Mixed{place}"),
        1 => format!("with space {place}"),
        2 => format!("d-{place}"),
        3 => format!("{place}th"),
        _ => format!("c{place}"),
    }
}

impl Table {
    /// A random table and the statements that make it.
    pub fn random(rng: &mut StdRng, place: usize) -> (Table, Vec<String>) {
        let schema = if rng.random_bool(0.75) { "public" } else { "Other" };
        let name = match rng.random_range(0..8) {
            0 => format!("Mixed{place}"),
            1 => format!("t {place}"),
            _ => format!("t{place}"),
        };
        let keys = *[0, 1, 1, 1, 1, 2, 3].choose(rng).unwrap_or(&1);
        let mut columns: Vec<Column> = Vec::new();
        for place in 0..keys {
            let ty = if place == 0 && rng.random_bool(0.5) { &TYPES[2] } else { key_type(rng) };
            columns.push(Column { name: column_name(rng, place), ty, required: true, defaults: false });
        }
        for place in keys..keys + rng.random_range(1..9) {
            let ty = TYPES.choose(rng).unwrap_or(&TYPES[0]);
            let required = rng.random_bool(0.2);
            columns.push(Column { name: column_name(rng, place), ty, required, defaults: false });
        }
        let mut table = Table { schema, name, columns, keys, changes: keys > 0 };
        let mut statements = vec![table.create(rng)];
        if keys > 0 && rng.random_bool(0.3) {
            // A key that is not at the front of the table.
            statements[0] = table.create_turned(rng);
        }
        if rng.random_bool(0.15) {
            let column = &table.columns[0];
            if column.required && column.ty.key {
                let (name, key) = (table.qualified(), quoted(&column.name));
                statements.push(format!("CREATE UNIQUE INDEX ON {name} ({key})"));
            }
        }
        statements.extend(table.identity(rng));
        (table, statements)
    }

    /// `"schema"."name"`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", quoted(self.schema), quoted(&self.name))
    }

    /// As Debezium names it, as a regular expression.
    pub fn pattern(&self) -> String {
        format!("{}\\.{}", self.schema, self.name)
    }

    fn create(&mut self, rng: &mut StdRng) -> String {
        let order: Vec<usize> = (0..self.columns.len()).collect();
        self.create_in(rng, &order)
    }

    fn create_turned(&mut self, rng: &mut StdRng) -> String {
        let order: Vec<usize> = (0..self.columns.len()).rev().collect();
        self.create_in(rng, &order)
    }

    fn create_in(&mut self, rng: &mut StdRng, order: &[usize]) -> String {
        let mut parts = Vec::new();
        for &place in order {
            let column = &mut self.columns[place];
            let mut part = format!("{} {}", quoted(&column.name), column.ty.sql);
            if place >= self.keys && rng.random_bool(0.3) {
                column.defaults = true;
                part.push_str(&format!(" DEFAULT {}", column.ty.value(rng)));
            }
            if column.required {
                part.push_str(" NOT NULL");
            }
            parts.push(part);
        }
        if self.keys > 0 {
            let keys: Vec<String> =
                self.columns[..self.keys].iter().map(|column| quoted(&column.name)).collect();
            parts.push(format!("PRIMARY KEY ({})", keys.join(",")));
        }
        format!("CREATE TABLE {} ({})", self.qualified(), parts.join(", "))
    }

    /// Another replica identity, perhaps.
    pub fn identity(&mut self, rng: &mut StdRng) -> Option<String> {
        let (identity, changes) = match rng.random_range(0..10) {
            0..=3 => ("FULL", true),
            4 => ("NOTHING", false),
            5 => ("DEFAULT", self.keys > 0),
            _ => return None,
        };
        self.changes = changes;
        Some(format!("ALTER TABLE {} REPLICA IDENTITY {identity}", self.qualified()))
    }

    fn cell(column: &Column, rng: &mut StdRng) -> String {
        if !column.required && rng.random_bool(0.15) {
            return "NULL".to_owned();
        }
        if rng.random_bool(0.08)
            && !column.ty.key
            && let Some(large) = column.ty.large(rng)
        {
            return large;
        }
        column.ty.value(rng)
    }

    /// Inserts one or more rows.
    pub fn insert(&self, rng: &mut StdRng) -> String {
        let chosen: Vec<&Column> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(place, column)| {
                *place < self.keys || (column.required && !column.defaults) || rng.random_bool(0.8)
            })
            .map(|(_, column)| column)
            .collect();
        if chosen.is_empty() {
            return format!("INSERT INTO {} DEFAULT VALUES", self.qualified());
        }
        let names: Vec<String> = chosen.iter().map(|column| quoted(&column.name)).collect();
        let rows: Vec<String> = (0..*[1, 1, 1, 2, 4].choose(rng).unwrap_or(&1))
            .map(|_| {
                let cells: Vec<String> = chosen.iter().map(|column| Self::cell(column, rng)).collect();
                format!("({})", cells.join(","))
            })
            .collect();
        let (table, names, rows) = (self.qualified(), names.join(","), rows.join(","));
        format!("INSERT INTO {table} ({names}) VALUES {rows} ON CONFLICT DO NOTHING")
    }

    /// Rows by COPY, which share a position in the log.
    pub fn copy(&self, rng: &mut StdRng) -> Option<String> {
        let column = self.columns.first().filter(|column| column.ty.sql == "int4")?;
        let alone = |(place, column): (usize, &Column)| place == 0 || !column.required || column.defaults;
        if !self.columns.iter().enumerate().all(alone) {
            return None;
        }
        let first = rng.random_range(10_000_000..2_000_000_000);
        let rows: Vec<String> = (0..rng.random_range(2..30)).map(|row| (first + row).to_string()).collect();
        Some(format!(
            "COPY {} ({}) FROM STDIN;\n{}\n\\.\n",
            self.qualified(),
            quoted(&column.name),
            rows.join("\n")
        ))
    }

    fn rows(&self, rng: &mut StdRng) -> String {
        let (limit, offset) = (*[1, 1, 1, 2, 5].choose(rng).unwrap_or(&1), rng.random_range(0..6));
        format!("ctid IN (SELECT ctid FROM {} ORDER BY ctid LIMIT {limit} OFFSET {offset})", self.qualified())
    }

    /// Updates rows; their keys as well, sometimes.
    pub fn update(&self, rng: &mut StdRng) -> String {
        let from = if self.keys > 0 && rng.random_bool(0.2) { 0 } else { self.keys };
        let count = rng.random_range(1..4);
        let chosen = self.columns[from..].iter().choose_multiple(rng, count);
        let set: Vec<String> = match chosen.is_empty() {
            true => vec![format!("{0} = {0}", quoted(&self.columns[0].name))],
            false => chosen
                .iter()
                .map(|column| match rng.random_bool(0.1) {
                    true => format!("{0} = {0}", quoted(&column.name)),
                    false => format!("{} = {}", quoted(&column.name), Self::cell(column, rng)),
                })
                .collect(),
        };
        format!("UPDATE {} SET {} WHERE {}", self.qualified(), set.join(", "), self.rows(rng))
    }

    /// Deletes rows.
    pub fn delete(&self, rng: &mut StdRng) -> String {
        format!("DELETE FROM {} WHERE {}", self.qualified(), self.rows(rng))
    }

    /// Changes the table's shape.
    pub fn alter(&mut self, rng: &mut StdRng, place: usize) -> Option<String> {
        let table = self.qualified();
        let plain = self.keys..self.columns.len();
        match rng.random_range(0..7) {
            0 | 1 => {
                let ty = TYPES.choose(rng)?;
                let defaults = rng.random_bool(0.5);
                let name = format!("added{place}");
                let default = if defaults { format!(" DEFAULT {}", ty.value(rng)) } else { String::new() };
                self.columns.push(Column { name: name.clone(), ty, required: false, defaults });
                Some(format!("ALTER TABLE {table} ADD COLUMN {} {}{default}", quoted(&name), ty.sql))
            }
            2 if plain.len() > 1 => {
                let column = self.columns.remove(rng.random_range(plain));
                Some(format!("ALTER TABLE {table} DROP COLUMN {}", quoted(&column.name)))
            }
            3 if !plain.is_empty() => {
                let column = &mut self.columns[rng.random_range(plain)];
                let old = std::mem::replace(&mut column.name, format!("renamed{place}"));
                Some(format!(
                    "ALTER TABLE {table} RENAME COLUMN {} TO {}",
                    quoted(&old),
                    quoted(&column.name)
                ))
            }
            4 => {
                let wider = |sql: &str| match sql {
                    "int2" => Some("int4"),
                    "int4" => Some("int8"),
                    "varchar(12)" => Some("text"),
                    "time(3)" => Some("time"),
                    _ => None,
                };
                let column = self.columns.iter_mut().find(|column| wider(column.ty.sql).is_some())?;
                column.ty = TYPES.iter().find(|ty| Some(ty.sql) == wider(column.ty.sql))?;
                Some(format!(
                    "ALTER TABLE {table} ALTER COLUMN {} TYPE {}",
                    quoted(&column.name),
                    column.ty.sql
                ))
            }
            5 if !plain.is_empty() => {
                let column = &mut self.columns[rng.random_range(plain)];
                column.required = false;
                Some(format!("ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL", quoted(&column.name)))
            }
            6 => self.identity(rng),
            _ => None,
        }
    }
}

fn key_type(rng: &mut StdRng) -> &'static ColumnType {
    key_types().choose(rng).unwrap_or(&TYPES[2])
}
