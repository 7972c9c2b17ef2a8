use proptest::prelude::*;

use super::*;

/// What a JVM wrote, by `parity/java/JavaObjects.java`.
fn recorded(name: &str) -> &'static str {
    let all = include_str!("../../../../parity/recorded/java-objects.txt");
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("nothing is recorded for {name}"))
}

fn decimal(unscaled: &str, scale: i32) -> JavaObject {
    JavaObject::Decimal { unscaled: unscaled.parse().unwrap(), scale }
}

fn uuid() -> JavaObject {
    JavaObject::Uuid(0x0000_0000_0000_4000_8000_0000_0000_0001)
}

fn timestamp() -> JavaObject {
    JavaObject::Timestamp { seconds: 1_704_189_600, nanos: 123_456_000 }
}

fn inet() -> JavaObject {
    JavaObject::PgObject { ty: "inet".to_owned(), value: Some("10.0.0.1".to_owned()) }
}

#[test]
fn arrays_are_those_of_a_jvm() {
    use JavaObject::*;
    let check = |name: &str, objects: &[JavaObject]| {
        let hex = recorded(name);
        assert_eq!(from_hex(hex).unwrap().unwrap(), objects, "{name} is read");
        assert_eq!(to_hex(Some(objects)), hex, "{name} is written");
    };
    check("integers", &[Integer(1), Integer(-2), Integer(1), Integer(1000), Integer(1000)]);
    check("longs", &[Long(5), Long(5), Long(1 << 40)]);
    check("shorts", &[Short(7), Short(700)]);
    check("bytes", &[Byte(7)]);
    check("strings", &[String("héllo 😀".into()), String("".into()), String("a\0b".into())]);
    check("booleans", &[Boolean(true), Boolean(false), Boolean(true)]);
    check("nulls", &[Null, Integer(3)]);
    check("floats", &[Float(2.5)]);
    let digits = "-1234567890123456789012345678905";
    check(
        "decimals",
        &[decimal("1225", 2), decimal(digits, 1), decimal("0", 2), decimal("5", 1), decimal("5", 0)],
    );
    check("integers_big", &[BigInteger((-255).into()), BigInteger(5.into())]);
    check("timestamp", &[timestamp()]);
    check("early", &[Timestamp { seconds: -1, nanos: 500_000_000 }]);
    check("date", &[Date(1_704_153_600_000)]);
    check("time", &[Time(36_000_000)]);
    check("uuid", &[uuid()]);
    check("bytea", &[Bytes(vec![1, 0xff]), Bytes(vec![])]);
    check("pgobject", &[inet()]);
    let halves = [decimal("15", 1), decimal("25", 1)];
    let [half, other] = halves;
    check(
        "mixed",
        &[
            Integer(1),
            Long(5),
            Short(7),
            String("a".into()),
            half,
            other,
            uuid(),
            timestamp(),
            Date(1_704_153_600_000),
            Boolean(true),
            Bytes(vec![1]),
            Bytes(vec![2]),
            Integer(2),
            inet(),
        ],
    );
}

#[test]
fn null_and_shared_objects_are_read() {
    assert_eq!((from_hex(recorded("null")), to_hex(None)), (Ok(None), recorded("null").to_owned()));
    assert_eq!(from_hex(recorded("shared")).unwrap().unwrap(), [timestamp(), timestamp()]);
    let Some([JavaObject::Double(first), JavaObject::Double(nan)]) =
        from_hex(recorded("doubles")).unwrap().map(|objects| <[JavaObject; 2]>::try_from(objects).unwrap())
    else {
        panic!("two doubles")
    };
    assert!(first == 1.5 && nan.is_nan());
}

#[test]
fn everything_else_is_an_error() {
    assert!(from_hex(recorded("foreign")).unwrap_err().to_string().contains("java.time.Ser"));
    for text in ["", "0", "zz", "aced0005", "aced000571007e0000", "aced000574000161", "aced0005757200"] {
        assert!(from_hex(text).is_err(), "{text}");
    }
}

#[test]
fn texts_are_about_those_of_java() {
    let check = |object: JavaObject, expect: &str| assert_eq!(object.to_string(), expect);
    check(timestamp(), "2024-01-02 10:00:00.123456");
    check(JavaObject::Timestamp { seconds: 0, nanos: 0 }, "1970-01-01 00:00:00.0");
    check(JavaObject::Date(-86_400_000), "1969-12-31");
    check(uuid(), "00000000-0000-4000-8000-000000000001");
    check(decimal("-5", 3), "-0.005");
    check(JavaObject::Null, "<null>");
}

fn object() -> impl Strategy<Value = JavaObject> {
    prop_oneof![
        Just(JavaObject::Null),
        any::<bool>().prop_map(JavaObject::Boolean),
        any::<i16>().prop_map(JavaObject::Short),
        (-200i32..200).prop_map(JavaObject::Integer),
        any::<i64>().prop_map(JavaObject::Long),
        any::<String>().prop_map(JavaObject::String),
        (any::<i128>(), any::<i32>())
            .prop_map(|(unscaled, scale)| JavaObject::Decimal { unscaled: unscaled.into(), scale }),
        (-30i32..30, 0i32..4)
            .prop_map(|(unscaled, scale)| JavaObject::Decimal { unscaled: unscaled.into(), scale }),
        (-1_000_000_000_000i64..1_000_000_000_000, 0i32..1_000_000_000)
            .prop_map(|(seconds, nanos)| JavaObject::Timestamp { seconds, nanos }),
        any::<i64>().prop_map(JavaObject::Date),
        any::<u128>().prop_map(JavaObject::Uuid),
        any::<Vec<u8>>().prop_map(JavaObject::Bytes),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(objects in prop::collection::vec(object(), 0..12)) {
        prop_assert_eq!(from_hex(&to_hex(Some(&objects))).unwrap().unwrap(), objects);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in any::<Vec<u8>>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let _ = from_hex(&format!("aced0005{}", hex(&bytes)));
        let mixed = recorded("mixed");
        let mut changed: Vec<u8> = (0..mixed.len() / 2)
            .map(|index| u8::from_str_radix(&mixed[2 * index..2 * index + 2], 16).unwrap())
            .collect();
        let place = place.index(changed.len());
        changed[place] = byte;
        let _ = from_hex(&hex(&changed));
    }
}
