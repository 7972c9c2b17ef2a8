//! From a column's type to its schema and kind: the table of Debezium's `PostgresValueConverter`.

use std::sync::Arc;

use raccord_cdc::Column;
use raccord_data::{Schema, Type, logical};

use super::kind::{Elements, Kind};
use super::numbers::{MoneyForm, NumericForm};
use super::oids as oid;
use super::schemas::{self, named, optional, plain};
use super::settings::{BinaryMode, ColumnSettings, DecimalMode, HstoreMode, IntervalMode, TimePrecision};
use super::temporal::Unit;
use crate::catalog::TypeRegistry;

/// The length that the JDBC driver gives a `numeric` without precision.
const NUMERIC_LENGTH_UNBOUND: i32 = 131_089;

/// Types by name that the catalog does not number the same in every database.
const ISBN: &str = "isbn";

/// The schema and kind of a column. `None` for a type that has no mapping.
pub fn compile(
    column: &Column,
    type_oid: u32,
    types: &TypeRegistry,
    settings: &ColumnSettings,
) -> Option<(Arc<Schema>, Kind)> {
    Compiler { column, types, settings }.of(types.root(type_oid))
}

struct Compiler<'a> {
    column: &'a Column,
    types: &'a TypeRegistry,
    settings: &'a ColumnSettings,
}

impl Compiler<'_> {
    fn of(&self, root: u32) -> Option<(Arc<Schema>, Kind)> {
        if let Some(built_in) = self.built_in(root) {
            return Some(built_in);
        }
        let found = self.types.get(root)?;
        match &*found.name {
            "hstore" => return Some((self.hstore_schema(), Kind::Hstore(self.settings.hstore))),
            "citext" => return Some(text(Kind::Text)),
            ISBN => return Some(text(Kind::CastText)),
            "ltree" => return Some((named(Type::String, "io.debezium.data.Ltree"), Kind::CastText)),
            "vector" => {
                let ty = Type::Array(plain(Type::Float64));
                return Some((named(ty, "io.debezium.data.DoubleVector"), Kind::Vector));
            }
            "halfvec" => {
                let ty = Type::Array(plain(Type::Float32));
                return Some((named(ty, "io.debezium.data.FloatVector"), Kind::HalfVector));
            }
            "sparsevec" => {
                let schema = schemas::sparse_vector();
                return Some((Arc::clone(&schema), Kind::SparseVector(schema)));
            }
            _ => {}
        }
        if let Some(labels) = &found.enum_labels {
            return Some((schemas::enumeration(labels), Kind::Text));
        }
        if let Some(element) = found.element {
            return self.array(root, element);
        }
        self.unknown()
    }

    /// Types that every database has.
    fn built_in(&self, root: u32) -> Option<(Arc<Schema>, Kind)> {
        let settings = self.settings;
        let string = |name: &str, kind| (named(Type::String, name), kind);
        Some(match root {
            oid::BOOL => (plain(Type::Boolean), Kind::Boolean),
            oid::INT2 => (plain(Type::Int16), Kind::Int16),
            oid::INT4 => (plain(Type::Int32), Kind::Int32),
            oid::INT8 => (plain(Type::Int64), Kind::Int64),
            oid::OID => (plain(Type::Int64), Kind::Oid),
            oid::FLOAT4 => (plain(Type::Float32), Kind::Float32),
            oid::FLOAT8 => (plain(Type::Float64), Kind::Float64),
            oid::NUMERIC => self.numeric(),
            oid::MONEY => self.money(),
            oid::BPCHAR | oid::VARCHAR | oid::TEXT => text(Kind::Text),
            // Its binary form has a zero byte for the empty text.
            oid::CHAR => text(Kind::CastText),
            // From the log it is read with the types that have no mapping.
            oid::NAME if settings.include_unknown => text(Kind::Text),
            oid::NAME => text(Kind::Name),
            oid::INET | oid::CIDR => text(Kind::Network),
            oid::MACADDR | oid::MACADDR8 => text(Kind::Mac),
            oid::INT4RANGE
            | oid::INT8RANGE
            | oid::NUMRANGE
            | oid::TSRANGE
            | oid::TSTZRANGE
            | oid::DATERANGE => text(Kind::CastText),
            oid::BYTEA => (binary_schema(settings.binary), Kind::Binary(settings.binary)),
            oid::BIT | oid::VARBIT if self.column.length > 1 => {
                (schemas::bits(self.column.length), Kind::Bits)
            }
            oid::BIT | oid::VARBIT => (plain(Type::Boolean), Kind::Bit),
            oid::XML => string("io.debezium.data.Xml", Kind::CastText),
            oid::UUID => string("io.debezium.data.Uuid", Kind::Uuid),
            oid::JSON => string("io.debezium.data.Json", Kind::Text),
            oid::JSONB => string("io.debezium.data.Json", Kind::Jsonb),
            oid::TSVECTOR => string("io.debezium.data.Tsvector", Kind::CastText),
            oid::DATE => (date_schema(settings.time), Kind::Date(settings.time)),
            oid::TIME => {
                let unit = Unit::of_time(settings.time, self.digits());
                (time_schema(unit), Kind::Time(unit))
            }
            oid::TIMESTAMP => {
                let unit = Unit::of_timestamp(settings.time, self.digits());
                (timestamp_schema(unit), Kind::Timestamp(unit))
            }
            oid::TIMETZ => string("io.debezium.time.ZonedTime", Kind::ZonedTime),
            oid::TIMESTAMPTZ => {
                let digits = self.column.scale.unwrap_or(self.column.length);
                string("io.debezium.time.ZonedTimestamp", Kind::ZonedTimestamp(digits))
            }
            oid::INTERVAL => {
                let schema = match settings.interval {
                    IntervalMode::Numeric => named(Type::Int64, "io.debezium.time.MicroDuration"),
                    IntervalMode::String => named(Type::String, "io.debezium.time.Interval"),
                };
                (schema, Kind::Interval(settings.interval))
            }
            oid::POINT => {
                let schema = schemas::point();
                (Arc::clone(&schema), Kind::Point(schema))
            }
            oid::LSEG | oid::PATH | oid::BOX | oid::POLYGON | oid::LINE | oid::CIRCLE
                if settings.include_unknown =>
            {
                (binary_schema(settings.binary), Kind::Geometric(settings.binary))
            }
            _ => return None,
        })
    }

    fn digits(&self) -> i32 {
        self.column.scale.unwrap_or(-1)
    }

    fn numeric(&self) -> (Arc<Schema>, Kind) {
        let Column { length, scale, .. } = *self.column;
        // Both ways in which the driver says that there is no precision.
        let unbound = (length == 0 || length == NUMERIC_LENGTH_UNBOUND) && scale.unwrap_or(0) == 0;
        let fixed = scale.filter(|_| length != NUMERIC_LENGTH_UNBOUND);
        let (schema, form) = match self.settings.decimal {
            DecimalMode::Double => (plain(Type::Float64), NumericForm::Double),
            DecimalMode::String => (plain(Type::String), NumericForm::String(fixed)),
            DecimalMode::Precise if unbound => {
                let schema = schemas::variable_scale_decimal();
                (Arc::clone(&schema), NumericForm::Variable(schema))
            }
            DecimalMode::Precise => {
                let scale = scale.unwrap_or(0);
                (schemas::decimal(scale, Some(length)), NumericForm::Precise(scale))
            }
        };
        (schema, Kind::Numeric(form))
    }

    fn money(&self) -> (Arc<Schema>, Kind) {
        let form =
            MoneyForm { mode: self.settings.decimal, fraction_digits: self.settings.money_fraction_digits };
        let schema = match form.mode {
            DecimalMode::Double => plain(Type::Float64),
            DecimalMode::String => plain(Type::String),
            DecimalMode::Precise => schemas::decimal(form.fraction_digits, None),
        };
        (schema, Kind::Money(form))
    }

    fn hstore_schema(&self) -> Arc<Schema> {
        match self.settings.hstore {
            HstoreMode::Json => named(Type::String, "io.debezium.data.Json"),
            HstoreMode::Map => schemas::hstore_map(),
        }
    }

    fn array(&self, array: u32, element: u32) -> Option<(Arc<Schema>, Kind)> {
        match element {
            // Left out whatever the config says about unknown types.
            oid::MONEY | oid::NAME | oid::INTERVAL | oid::VARBIT | oid::XML | oid::POINT | oid::REFCURSOR => {
                return None;
            }
            // Debezium takes the array for its element here, and finds that no value fits.
            oid::BIT => {
                let schema = match self.column.length {
                    ..=1 => plain(Type::Boolean),
                    length => schemas::bits(length),
                };
                return Some((schema, Kind::Unreadable));
            }
            _ => {}
        }
        let is_domain = self.types.get(element).is_some_and(|found| found.base.is_some());
        let (schema, kind) = match is_domain {
            true => self.unknown()?,
            false => self.of(element)?,
        };
        let element_optional = self.allows_null_elements(array, element);
        let schema = if element_optional { optional(&schema) } else { schema };
        let elements = Elements { kind, optional: element_optional, oid: element };
        Some((plain(Type::Array(schema)), Kind::Array(Box::new(elements))))
    }

    /// Arrays that Debezium names one by one take null elements; others have the schema of a required column.
    fn allows_null_elements(&self, array: u32, element: u32) -> bool {
        let by_name = |oid: u32| self.types.get(oid).map(|found| &*found.name);
        match by_name(element) {
            Some("hstore" | "citext" | "ltree") => true,
            Some(ISBN) => false,
            _ => oid::LISTED_ARRAYS.contains(&array),
        }
    }

    fn unknown(&self) -> Option<(Arc<Schema>, Kind)> {
        let mode = self.settings.binary;
        self.settings.include_unknown.then(|| (binary_schema(mode), Kind::Unknown(mode)))
    }
}

fn text(kind: Kind) -> (Arc<Schema>, Kind) {
    (plain(Type::String), kind)
}

fn binary_schema(mode: BinaryMode) -> Arc<Schema> {
    plain(if mode == BinaryMode::Bytes { Type::Bytes } else { Type::String })
}

fn date_schema(mode: TimePrecision) -> Arc<Schema> {
    match mode {
        TimePrecision::Connect => named(Type::Int32, logical::DATE),
        TimePrecision::IsoString => named(Type::String, "io.debezium.time.IsoDate"),
        _ => named(Type::Int32, "io.debezium.time.Date"),
    }
}

fn time_schema(unit: Unit) -> Arc<Schema> {
    match unit {
        Unit::Millis => named(Type::Int32, "io.debezium.time.Time"),
        Unit::Micros => named(Type::Int64, "io.debezium.time.MicroTime"),
        Unit::Nanos => named(Type::Int64, "io.debezium.time.NanoTime"),
        Unit::Connect => named(Type::Int32, logical::TIME),
        Unit::Iso => named(Type::String, "io.debezium.time.IsoTime"),
    }
}

fn timestamp_schema(unit: Unit) -> Arc<Schema> {
    match unit {
        Unit::Millis => named(Type::Int64, "io.debezium.time.Timestamp"),
        Unit::Micros => named(Type::Int64, "io.debezium.time.MicroTimestamp"),
        Unit::Nanos => named(Type::Int64, "io.debezium.time.NanoTimestamp"),
        Unit::Connect => named(Type::Int64, logical::TIMESTAMP),
        Unit::Iso => named(Type::String, "io.debezium.time.IsoTimestamp"),
    }
}
