//! Both forms of a value agree, and nothing that a server might send makes a decoder panic.

use bytes::Bytes;
use proptest::prelude::*;
use raccord_cdc::JdbcType;
use raccord_data::calendar::{date_of, day_of};

use super::numbers::{MoneyForm, NumericForm};
use super::settings::{DecimalMode, HstoreMode, IntervalMode};
use super::temporal::Unit;
use super::*;

fn all_kinds() -> Vec<Kind> {
    let array = |kind| Kind::Array(Box::new(kind::Elements { kind, optional: true, oid: oids::INT4 }));
    vec![
        Kind::Boolean,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Oid,
        Kind::Float32,
        Kind::Float64,
        Kind::Numeric(NumericForm::Precise(2)),
        Kind::Numeric(NumericForm::Variable(schemas::variable_scale_decimal())),
        Kind::Numeric(NumericForm::String(None)),
        Kind::Numeric(NumericForm::Double),
        Kind::Money(MoneyForm { mode: DecimalMode::Precise, fraction_digits: 2 }),
        Kind::Text,
        Kind::Name,
        Kind::CastText,
        Kind::Jsonb,
        Kind::Uuid,
        Kind::Network,
        Kind::Mac,
        Kind::Binary(BinaryMode::Hex),
        Kind::Bit,
        Kind::Bits,
        Kind::Date(TimePrecision::IsoString),
        Kind::Time(Unit::Micros),
        Kind::ZonedTime,
        Kind::Timestamp(Unit::Iso),
        Kind::Timestamp(Unit::Nanos),
        Kind::ZonedTimestamp(6),
        Kind::Interval(IntervalMode::String),
        Kind::Hstore(HstoreMode::Json),
        Kind::Point(schemas::point()),
        Kind::Vector,
        Kind::HalfVector,
        Kind::SparseVector(schemas::sparse_vector()),
        array(Kind::Int32),
        array(Kind::Text),
        array(Kind::ZonedTimestamp(3)),
        Kind::Geometric(BinaryMode::Bytes),
        Kind::Unknown(BinaryMode::Base64),
        Kind::Unreadable,
    ]
}

/// The cell of a text of the log.
fn of_log(kind: &Kind, text: String) -> Option<Value> {
    kind.text(Raw::from(&Bytes::from(text)), Origin::Log)
}

/// The cell of a binary form.
fn copied(kind: &Kind, bytes: Vec<u8>) -> Option<Value> {
    kind.copied(Raw::from(&Bytes::from(bytes)))
}

proptest! {
    #[test]
    fn no_text_makes_a_decoder_panic(text in "[-+0-9a-zNI:. (){},\\[\\]\"\\\\$/=>]{0,40}") {
        for kind in all_kinds() {
            for origin in [Origin::Log, Origin::Snapshot, Origin::Array] {
                let _ = kind.text(Raw::from(&Bytes::from(text.clone())), origin);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for kind in all_kinds() {
            let _ = kind.copied(Raw::from(&Bytes::from(bytes.clone())));
            let _ = kind.text(Raw::from(&Bytes::from(bytes.clone())), Origin::Log);
        }
    }

    #[test]
    fn integers_agree(number: i64) {
        for (kind, text, bytes) in [
            (Kind::Int64, number.to_string(), number.to_be_bytes().to_vec()),
            (Kind::Int32, (number as i32).to_string(), (number as i32).to_be_bytes().to_vec()),
            (Kind::Int16, (number as i16).to_string(), (number as i16).to_be_bytes().to_vec()),
            (Kind::Oid, (number as u32).to_string(), (number as u32).to_be_bytes().to_vec()),
        ] {
            prop_assert_eq!(of_log(&kind, text), copied(&kind, bytes));
        }
    }

    /// From the cutover of Java's calendar to the last year of PostgreSQL's.
    #[test]
    fn timestamps_agree(micros in -13_165_977_600_000_000i64..9_223_371_331_200_000_000) {
        let seconds = micros.div_euclid(1_000_000) + 946_684_800;
        let (year, month, day) = date_of(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let text = format!(
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:06}",
            second / 3_600,
            second / 60 % 60,
            second % 60,
            micros.rem_euclid(1_000_000)
        );
        for unit in [Unit::Millis, Unit::Micros, Unit::Nanos, Unit::Connect, Unit::Iso] {
            let kind = Kind::Timestamp(unit);
            let copied = copied(&kind, micros.to_be_bytes().to_vec());
            prop_assert!(copied.is_some());
            prop_assert_eq!(of_log(&kind, text.clone()), copied);
        }
        prop_assert_eq!(day_of(year, month, day), seconds.div_euclid(86_400));
    }

    #[test]
    fn numerics_agree(digits in proptest::collection::vec(0u16..10_000, 1..12), weight in -3i16..8, negative: bool) {
        // The scale that shows all digits.
        let scale = (4 * (digits.len() as i32 - 1 - i32::from(weight))).max(0) as u16;
        let head = [digits.len() as u16, weight as u16, if negative { 0x4000 } else { 0 }, scale];
        let bytes: Vec<u8> = head.iter().chain(&digits).flat_map(|word| word.to_be_bytes()).collect();
        let form = NumericForm::String(None);
        let text = copied(&Kind::Numeric(form.clone()), bytes.clone()).unwrap();
        let text = text.as_str().unwrap().to_owned();
        for form in [form, NumericForm::Double, NumericForm::Precise(60), NumericForm::Variable(schemas::variable_scale_decimal())] {
            let kind = Kind::Numeric(form);
            let copied = copied(&kind, bytes.clone());
            prop_assert!(copied.is_some());
            prop_assert_eq!(of_log(&kind, text.clone()), copied);
        }
    }
}

fn column(type_name: &str, length: i32, scale: Option<i32>) -> Column {
    Column {
        name: "c".into(),
        type_name: type_name.into(),
        jdbc_type: JdbcType::Other,
        length,
        scale,
        optional: false,
        comment: None,
        default_expression: None,
    }
}

#[test]
fn a_column_without_mapping_is_left_out() {
    let plan = ColumnPlan::of_type(
        &column("box", 0, None),
        603,
        &TypeRegistry::default(),
        &ColumnSettings::default(),
    );
    assert!(plan.field().schema.is_none());
}

#[test]
fn nulls_and_unavailable_values_have_the_form_of_the_type() {
    let check = |oid: u32, null: Value, unavailable: Value| {
        let column = column("x", 3, Some(2));
        let plan = ColumnPlan::of_type(&column, oid, &TypeRegistry::default(), &ColumnSettings::default());
        assert_eq!((plan.null(), plan.unavailable().unwrap_or_default()), (null, unavailable), "{oid}");
    };
    let placeholder = || Value::from("__debezium_unavailable_value");
    check(oids::TEXT, Value::from(""), placeholder());
    check(oids::JSONB, Value::from(""), placeholder());
    check(oids::INT4, Value::Int32(0), Value::Null);
    check(
        oids::BYTEA,
        Value::Bytes(Bytes::new()),
        Value::Bytes(Bytes::from_static(b"__debezium_unavailable_value")),
    );
    check(oids::TIMESTAMPTZ, Value::from("1970-01-01T00:00:00Z"), Value::Null);
    check(oids::BIT, Value::Bytes(Bytes::new()), Value::Null);
}
