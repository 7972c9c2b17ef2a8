//! Types: a registry of `pg_type`, and what the JDBC driver says of lengths and scales.

use std::collections::HashMap;
use std::sync::Arc;

use raccord_cdc::JdbcType;
use tokio_postgres::Client;

use crate::columns::oids as oid;
use crate::wire::WireError;
use crate::wire::sql::sql_error;

/// A column or type without a modifier.
pub const NO_MODIFIER: i32 = -1;
/// What the driver gives as the length of what has none.
const UNKNOWN_LENGTH: i32 = i32::MAX;

const TYPES: &str = "\
    SELECT t.oid, t.typname::text, t.typelem, t.typbasetype, t.typtypmod, t.typcategory::text, \
           (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid \
    WHERE n.nspname <> 'pg_toast'";

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub struct PgType {
    /// Its oid.
    pub oid: u32,
    /// Its name, without schema.
    pub name: Arc<str>,
    /// For an array: the type of its elements.
    pub element: Option<u32>,
    /// For a domain: the type it is made from.
    pub base: Option<u32>,
    /// For a domain: the modifier of the type it is made from.
    pub modifier: i32,
    /// For an enum: its labels in order.
    pub enum_labels: Option<Arc<[Arc<str>]>>,
}

/// All types of a database. A type that was created later is not in it: then it is read again.
#[derive(Clone, Debug, Default)]
pub struct TypeRegistry {
    types: HashMap<u32, PgType>,
}

impl TypeRegistry {
    /// Reads all types.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read(client: &Client) -> Result<Self, WireError> {
        let rows = client.query(TYPES, &[]).await.map_err(sql_error)?;
        let types = rows.iter().map(|row| {
            let category: String = row.get(5);
            let (element, base): (u32, u32) = (row.get(2), row.get(3));
            let labels: Option<Vec<String>> = row.get(6);
            let oid: u32 = row.get(0);
            let pg_type = PgType {
                oid,
                name: row.get::<_, String>(1).into(),
                element: (category == "A").then_some(element),
                base: (base > 0).then_some(base),
                modifier: row.get(4),
                enum_labels: labels
                    .filter(|_| category == "E")
                    .map(|labels| labels.into_iter().map(Arc::from).collect()),
            };
            (oid, pg_type)
        });
        Ok(Self { types: types.collect() })
    }

    /// The type with that oid.
    pub fn get(&self, oid: u32) -> Option<&PgType> {
        self.types.get(&oid)
    }

    /// What a domain is made from in the end; every other type is its own root.
    pub fn root(&self, oid: u32) -> u32 {
        let mut root = oid;
        while let Some(base) = self.types.get(&root).and_then(|pg_type| pg_type.base) {
            root = base;
        }
        root
    }

    /// The length of a type that is used without modifier, as Debezium's `PostgresType` has it.
    pub fn default_length(&self, oid: u32) -> i32 {
        let Some(pg_type) = self.types.get(&oid) else { return -1 };
        if let Some(base) = pg_type.base {
            if pg_type.modifier == NO_MODIFIER {
                return self.default_length(base);
            }
            let length = self.precision_or_display_size(base, pg_type.modifier);
            if length != 0 && length != UNKNOWN_LENGTH {
                return length;
            }
        }
        self.precision_or_display_size(oid, pg_type.modifier)
    }

    /// The scale of a type that is used without modifier, as Debezium's `PostgresType` has it.
    pub fn default_scale(&self, oid: u32) -> i32 {
        match self.types.get(&oid) {
            None => -1,
            Some(PgType { base: Some(base), modifier: NO_MODIFIER, .. }) => self.default_scale(*base),
            Some(PgType { base: Some(base), modifier, .. }) => self.scale(*base, *modifier),
            Some(PgType { modifier, .. }) => self.scale(oid, *modifier),
        }
    }

    /// The driver's `COLUMN_SIZE`.
    pub fn precision_or_display_size(&self, oid: u32, modifier: i32) -> i32 {
        match self.precision(oid, modifier) {
            0 => display_size(self.element_or_self(oid), modifier),
            precision => precision,
        }
    }

    /// The driver's precision of a type; of an array, that of its elements.
    pub fn precision(&self, oid: u32, modifier: i32) -> i32 {
        match self.element_or_self(oid) {
            oid::INT2 => 5,
            oid::OID | oid::INT4 => 10,
            oid::INT8 => 19,
            oid::FLOAT4 => 8,
            oid::FLOAT8 => 17,
            oid::NUMERIC if modifier == NO_MODIFIER => 0,
            oid::NUMERIC => (modifier.wrapping_sub(4) >> 16) & 0xFFFF,
            oid::CHAR | oid::BOOL => 1,
            oid::BPCHAR | oid::VARCHAR if modifier == NO_MODIFIER => UNKNOWN_LENGTH,
            oid::BPCHAR | oid::VARCHAR => modifier - 4,
            base @ (oid::DATE
            | oid::TIME
            | oid::TIMETZ
            | oid::INTERVAL
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ) => display_size(base, modifier),
            oid::BIT => modifier,
            oid::VARBIT if modifier == NO_MODIFIER => UNKNOWN_LENGTH,
            oid::VARBIT => modifier,
            _ => UNKNOWN_LENGTH,
        }
    }

    /// The driver's scale of a type; of an array, that of its elements.
    pub fn scale(&self, oid: u32, modifier: i32) -> i32 {
        match self.element_or_self(oid) {
            oid::FLOAT4 => 8,
            oid::FLOAT8 => 17,
            oid::NUMERIC if modifier == NO_MODIFIER => 0,
            oid::NUMERIC => modifier.wrapping_sub(4) & 0xFFFF,
            oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ if modifier == NO_MODIFIER => 6,
            oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => modifier,
            oid::INTERVAL if modifier == NO_MODIFIER => 6,
            oid::INTERVAL => modifier & 0xFFFF,
            _ => 0,
        }
    }

    /// Which of the JDBC types that rules tell apart the driver maps a type to.
    pub fn jdbc_type(&self, oid: u32) -> JdbcType {
        let root = self.root(oid);
        let is_enum = self.types.get(&root).is_some_and(|pg_type| pg_type.enum_labels.is_some());
        match root {
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::CHAR | oid::NAME => JdbcType::Character,
            _ if is_enum => JdbcType::Character,
            _ => JdbcType::Other,
        }
    }

    fn element_or_self(&self, oid: u32) -> u32 {
        self.types.get(&oid).and_then(|pg_type| pg_type.element).unwrap_or(oid)
    }
}

/// The driver's display size. Arrays have none of their own.
fn display_size(oid: u32, modifier: i32) -> i32 {
    let seconds = match modifier {
        NO_MODIFIER => 6 + 1,
        0 => 0,
        1 => 2 + 1,
        digits => digits + 1,
    };
    match oid {
        oid::INT2 => 6,
        oid::INT4 => 11,
        oid::OID => 10,
        oid::INT8 => 20,
        oid::FLOAT4 => 15,
        oid::FLOAT8 => 25,
        oid::CHAR | oid::BOOL => 1,
        oid::DATE => 13,
        oid::TIME => 8 + seconds,
        oid::TIMETZ => 8 + seconds + 6,
        oid::TIMESTAMP => 13 + 1 + 8 + seconds,
        oid::TIMESTAMPTZ => 13 + 1 + 8 + seconds + 6,
        oid::INTERVAL => 49,
        oid::VARCHAR | oid::BPCHAR if modifier != NO_MODIFIER => modifier - 4,
        oid::NUMERIC if modifier == NO_MODIFIER => 131_089,
        oid::NUMERIC => {
            let (precision, scale) = ((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0xFFFF);
            // A sign, and a point if there are digits behind it.
            1 + precision + i32::from(scale != 0)
        }
        oid::BIT => modifier,
        oid::VARBIT if modifier != NO_MODIFIER => modifier,
        _ => UNKNOWN_LENGTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_scales_are_the_drivers() {
        let registry = TypeRegistry::default();
        let check = |oid, modifier, expect: (i32, i32)| {
            let found = (registry.precision_or_display_size(oid, modifier), registry.scale(oid, modifier));
            assert_eq!(found, expect, "{oid} {modifier}");
        };
        check(oid::INT4, -1, (10, 0));
        check(oid::NUMERIC, -1, (131_089, 0));
        check(oid::NUMERIC, (12 << 16 | 2) + 4, (12, 2));
        check(oid::VARCHAR, 36, (32, 0));
        check(oid::TEXT, -1, (UNKNOWN_LENGTH, 0));
        check(oid::TIMESTAMPTZ, -1, (35, 6));
        check(oid::TIMESTAMP, 3, (26, 3));
        check(oid::BIT, 5, (5, 0));
    }
}
