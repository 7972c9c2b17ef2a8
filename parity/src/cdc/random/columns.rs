//! The types of random columns, and values of each: what usually comes, and the edges.

use rand::rngs::StdRng;
use rand::{Rng, seq::IndexedRandom};

/// A type of columns.
#[derive(Debug)]
pub struct ColumnType {
    /// As SQL names it.
    pub sql: &'static str,
    /// Whether it can be part of a key.
    pub key: bool,
    /// Values, as SQL expressions without casts.
    values: &'static [&'static str],
    /// Makes further values.
    further: Option<fn(&mut StdRng) -> String>,
}

impl ColumnType {
    /// A value.
    pub fn value(&self, rng: &mut StdRng) -> String {
        match self.further {
            Some(further) if self.values.is_empty() || rng.random_bool(0.5) => further(rng),
            _ => (*self.values.choose(rng).unwrap_or(&"NULL")).to_owned(),
        }
    }

    /// A value too large to be stored in its row, for types that can have one.
    pub fn large(&self, rng: &mut StdRng) -> Option<String> {
        let words = rng.random_range(150..400);
        let text = format!("public.big({words})");
        Some(match self.sql {
            "text" | "varchar" => text,
            "citext" => format!("{text}::citext"),
            "bytea" => format!("decode({text},'hex')"),
            "json" => format!("json_build_object('a',{text})"),
            "jsonb" => format!("jsonb_build_object('a',{text})"),
            "text[]" => format!("ARRAY[{text},NULL,'x']"),
            "int4[]" => format!("ARRAY(SELECT (i*7919)%100003 FROM generate_series(1,{}) i)", words * 8),
            "int8[]" => format!("ARRAY(SELECT i*100000007::int8 FROM generate_series(1,{}) i)", words * 4),
            "uuid[]" => format!("ARRAY(SELECT md5(i::text)::uuid FROM generate_series(1,{words}) i)"),
            "hstore" => format!("hstore('k',{text})"),
            "xml" => format!("('<a>'||{text}||'</a>')::xml"),
            "numeric" => format!("repeat('1234567890',{})::numeric", words / 10),
            _ => return None,
        })
    }
}

const fn of(
    sql: &'static str,
    key: bool,
    values: &'static [&'static str],
    further: Option<fn(&mut StdRng) -> String>,
) -> ColumnType {
    ColumnType { sql, key, values, further }
}

/// Types that make good keys; each is in [`TYPES`] as well.
pub fn key_types() -> impl Iterator<Item = &'static ColumnType> {
    TYPES.iter().filter(|ty| ty.key)
}

/// All types.
pub static TYPES: &[ColumnType] = &[
    of("bool", false, &["true", "false"], None),
    of("int2", true, &["0", "'-32768'", "32767", "7"], None),
    of("int4", true, &["0", "'-2147483648'", "2147483647"], Some(integer)),
    of("int8", true, &["0", "'-9223372036854775808'", "9223372036854775807"], Some(integer)),
    of("oid", false, &["0", "4294967295", "2147483648"], None),
    of(
        "float4",
        false,
        &["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'3.4028235e38'", "'1e-45'", "'1.1'"],
        Some(float),
    ),
    of(
        "float8",
        false,
        &["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'1.7976931348623157e308'", "'5e-324'", "0.1"],
        Some(float),
    ),
    of(
        "numeric",
        true,
        &["0", "0.000", "'1e20'", "'1e-20'", "'-123456789012345678901234567890.123456789'", "100", "'1e130'"],
        Some(decimal),
    ),
    of("numeric(9,2)", true, &["0", "'9999999.99'", "'-9999999.99'", "0.1"], None),
    of("numeric(5)", false, &["0", "99999", "'-12345'"], None),
    of("numeric(38,10)", false, &["0", "'1e-10'", "'1234567890123456789012345678.0123456789'"], None),
    of("numeric(6,-2)", false, &["0", "12300", "'-99999900'"], None),
    of("numeric(3,5)", false, &["0", "0.00123", "'-0.00999'"], None),
    of("money", false, &["'0'", "'$1,234.56'", "'-$0.05'", "'92233720368547758.07'"], None),
    of("text", true, &["''", "'x'", "E'tab\\t\"q\" \\\\ \\n'", "'NULL'", "'null'"], Some(text)),
    of("varchar", false, &["''", "'x'"], Some(text)),
    of("varchar(12)", true, &["''", "'twelve chars'", "'é€😀'"], None),
    of("char(5)", false, &["''", "'ab'", "'abcde'", "'é'"], None),
    of("char", false, &["''", "'x'", "'é'"], None),
    of("\"char\"", false, &["''", "'x'"], None),
    of("name", false, &["''", "'nm'"], None),
    of("citext", false, &["''", "'MiXed'"], Some(text)),
    of("bytea", false, &["''", "'\\x00'", "'\\xdeadbeef'", "'\\xfffefdfc00'"], Some(bytes)),
    of("bit(1)", false, &["B'0'", "B'1'"], None),
    of("bit(5)", false, &["B'00000'", "B'10101'", "B'11111'"], None),
    of(
        "bit(33)",
        false,
        &["B'000000000000000000000000000000001'", "B'100000000000000000000000000000000'"],
        None,
    ),
    of("varbit", false, &["B''", "B'1'", "B'0000000011111111'"], None),
    of("varbit(9)", false, &["B''", "B'1'", "B'000000001'", "B'111111111'"], None),
    of(
        "uuid",
        true,
        &["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
        Some(uuid),
    ),
    of(
        "json",
        false,
        &["'null'", "'{}'", "'{\"a\": [1, 2.50],  \"b\":null}'", "'\"é\"'", "' [ ] '"],
        Some(json),
    ),
    of(
        "jsonb",
        false,
        &["'null'", "'{}'", "'{\"b\": 1, \"a\": [1, 2.50, 1e3]}'", "'\"\\u00e9\\n\"'"],
        Some(json),
    ),
    of("xml", false, &["'<a/>'", "'<a b=\"c\">t &amp; u</a>'", "'text'"], None),
    of("ltree", false, &["''", "'Top.Science.Physics'"], None),
    of("tsvector", false, &["''", "'''fat'':2 ''rat'':3A'"], None),
    of("tsquery", false, &["'fat & rat'"], None),
    of("hstore", false, &["''", "'a=>1'", "'a=>NULL, \"b c\"=>\"x\\\"y\", é=>ü, z=>\"\"'"], None),
    of("isbn", false, &["'978-0-393-04002-9'"], None),
    of("inet", false, &["'192.168.1.5/24'", "'10.1.2.3'", "'::1'", "'2001:db8::1/64'"], None),
    of("cidr", false, &["'10.0.0.0/8'", "'::/0'", "'10.1.2.3/32'"], None),
    of("macaddr", false, &["'08:00:2b:01:02:03'"], None),
    of("macaddr8", false, &["'08:00:2b:01:02:03:04:05'"], None),
    of("point", false, &["'(1.5,-2)'", "'(0,1e300)'", "'(1e-7,123456789012)'", "'(NaN,Infinity)'"], None),
    of("box", false, &["'(0,0),(1.5,1)'"], None),
    of("polygon", false, &["'((0,0),(1,1),(2,0))'"], None),
    of("circle", false, &["'<(0,0),1e10>'"], None),
    of("int4range", false, &["'[1,5)'", "'empty'", "'(,)'", "'(,5]'"], None),
    of("int8range", false, &["'[1,5)'", "'empty'"], None),
    of("numrange", false, &["'[1.5,2.5]'", "'(,)'", "'empty'"], None),
    of("tsrange", false, &["'[2024-01-01,2024-02-01)'", "'(,\"2024-02-01 00:00:00.5\"]'"], None),
    of("tstzrange", false, &["'[2024-01-01 00:00:00+02,)'", "'empty'"], None),
    of("daterange", false, &["'[2024-01-01,2024-02-01)'", "'[2024-01-01,2024-01-01]'"], None),
    of(
        "date",
        true,
        &[
            "'2024-02-29'",
            "'0044-03-15 BC'",
            "'infinity'",
            "'-infinity'",
            "'5874897-12-31'",
            "'4713-01-01 BC'",
            "'1582-10-10'",
            "'0001-01-01'",
        ],
        Some(date),
    ),
    of("time", false, &["'00:00:00'", "'24:00:00'", "'23:59:59.999999'"], Some(time)),
    of("time(0)", false, &["'00:00:00'", "'13:14:15'", "'24:00:00'"], None),
    of("time(3)", false, &["'00:00:00.001'", "'23:59:59.999'"], None),
    of(
        "timetz",
        false,
        &["'00:00:00+00'", "'23:59:59.999999-15:59'", "'24:00:00+00'", "'12:00:00+05:45'"],
        None,
    ),
    of("timetz(2)", false, &["'12:00:00.25+01'"], None),
    of(
        "timestamp",
        true,
        &[
            "'2024-02-29 13:14:15.123456'",
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 12:00:00 BC'",
            "'294276-12-31 23:59:59.999999'",
            "'4713-01-01 00:00:00 BC'",
            "'1582-10-10 00:00:00'",
            "'9999-12-31 23:59:59.999999'",
            "'10000-01-01'",
        ],
        Some(timestamp),
    ),
    of("timestamp(0)", false, &["'2024-02-29 13:14:15'", "'infinity'", "'1969-12-31 23:59:59'"], None),
    of("timestamp(3)", false, &["'1969-12-31 23:59:59.999'", "'-infinity'", "'12024-01-01 00:00:00'"], None),
    of(
        "timestamptz",
        true,
        &[
            "'2024-02-29 13:14:15.123456+02'",
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 12:00:00+00 BC'",
            "'294276-12-31 23:59:59.999999+00'",
            "'0001-01-01 00:00:00+00'",
            "'1500-06-01 00:00:00+00'",
        ],
        Some(timestamp),
    ),
    of("timestamptz(3)", false, &["'1900-01-01 00:00:00.120+00'", "'infinity'"], None),
    of(
        "interval",
        false,
        &[
            "'0'",
            "'1 year 2 mons 3 days 04:05:06.789'",
            "'-1 years -2 mons +3 days -04:05:06.789'",
            "'1 mon -1 day'",
            "'-00:00:00.000001'",
            "'178000000 years'",
        ],
        Some(interval),
    ),
    of("random.mood", false, &["'sad'", "'ok'", "'very happy'"], None),
    of("random.posint", true, &["1", "2147483647"], None),
    of("random.price", false, &["1.5", "'-99999.999'"], None),
    of("random.price2", false, &["2.25", "0"], None),
    of("random.short", false, &["''", "'seven77'"], None),
    of("random.moment", false, &["'2024-02-29 13:14:15.123'", "'infinity'"], None),
    of("random.comp", false, &["'(1,\"x y\")'"], None),
    of("bool[]", false, &["'{t,f,NULL}'", "'{}'"], None),
    of("int2[]", false, &["'{1,-2}'", "'{}'", "'{NULL}'"], None),
    of("int4[]", false, &["'{1,NULL,2147483647}'", "'{}'"], None),
    of("int8[]", false, &["'{1}'", "'{}'", "'{9223372036854775807,NULL}'"], None),
    of("float4[]", false, &["'{1.5,NaN}'", "'{}'"], None),
    of("float8[]", false, &["'{0.1,-Infinity}'", "'{NULL,1e300}'"], None),
    of("numeric[]", false, &["'{1.50,NULL,100}'", "'{}'"], None),
    of("numeric(5,2)[]", false, &["'{1.5,2}'", "'{NULL}'"], None),
    of("text[]", false, &["'{\"\",é,NULL,\"NULL\",\"a\\\"b\\\\c\"}'", "'{}'", "'[2:3]={a,b}'"], None),
    of("varchar(9)[]", false, &["'{x,\"y z\",NULL}'", "'{}'"], None),
    of("char(3)[]", false, &["'{a,bcd,NULL}'"], None),
    of("citext[]", false, &["'{Ci,NULL}'", "'{}'"], None),
    of("uuid[]", false, &["'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'", "'{}'"], None),
    of("json[]", false, &["array['{\"a\":1}','[1, 2]']::json[]", "'{}'"], None),
    of("jsonb[]", false, &["array['{\"a\":1}',NULL]::jsonb[]", "'{}'"], None),
    of("random.mood[]", false, &["'{sad,NULL,\"very happy\"}'", "'{}'"], None),
    of("ltree[]", false, &["'{A.B,C}'"], None),
    of("date[]", false, &["'{2024-02-29,0044-03-15 BC,infinity,NULL}'", "'{}'"], None),
    of("time[]", false, &["'{13:14:15.123456,24:00:00}'"], None),
    of("timetz[]", false, &["'{13:14:15.5+02}'"], None),
    of("timestamp[]", false, &["'{2024-02-29 13:14:15.123456,NULL}'", "'{}'"], None),
    of("timestamp(3)[]", false, &["'{2024-02-29 13:14:15.123}'"], None),
    of("timestamptz[]", false, &["'{2024-02-29 13:14:15.123456+02,NULL}'"], None),
    of("bytea[]", false, &["array['\\xdead','\\x']::bytea[]", "'{}'"], None),
    of("hstore[]", false, &["array['a=>1','']::hstore[]"], None),
    of("inet[]", false, &["'{10.0.0.1,::1/64}'"], None),
    of("cidr[]", false, &["'{10.0.0.0/8}'"], None),
    of("macaddr[]", false, &["'{08:00:2b:01:02:03}'"], None),
    of("int4range[]", false, &["array['[1,5)']::int4range[]"], None),
    of("numrange[]", false, &["array['[1.5,)']::numrange[]"], None),
    of("tstzrange[]", false, &["array['[2024-01-01 00:00:00+00,)']::tstzrange[]"], None),
    of("interval[]", false, &["'{1 day}'"], None),
    of("money[]", false, &["'{1.5}'"], None),
    of("random.posint[]", false, &["'{1,2}'"], None),
];

fn integer(rng: &mut StdRng) -> String {
    rng.random_range(-1_000_000..1_000_000).to_string()
}

fn float(rng: &mut StdRng) -> String {
    format!("'{}'", f32::from_bits(rng.random::<u32>() & 0xbf7f_ffff))
}

fn decimal(rng: &mut StdRng) -> String {
    let digits: String =
        (0..rng.random_range(1..30)).map(|_| char::from(b'0' + rng.random_range(0..10))).collect();
    let fraction: String =
        (0..rng.random_range(0..12)).map(|_| char::from(b'0' + rng.random_range(0..10))).collect();
    format!("'{}{digits}.{fraction}0'", if rng.random_bool(0.5) { "-" } else { "" })
}

fn text(rng: &mut StdRng) -> String {
    const LETTERS: &[char] = &[
        'a', 'Z', '0', ' ', '"', '\\', ',', '{', '}', '<', '&', 'é', 'ß', '€', '漢', '😀', '\u{7f}',
        '\u{2028}',
    ];
    let text: String = (0..rng.random_range(0..40)).map(|_| *LETTERS.choose(rng).unwrap_or(&'a')).collect();
    format!("'{text}'")
}

fn bytes(rng: &mut StdRng) -> String {
    let digits: String =
        (0..rng.random_range(0..40)).map(|_| format!("{:02x}", rng.random::<u8>())).collect();
    format!("'\\x{digits}'")
}

fn uuid(rng: &mut StdRng) -> String {
    let digits = format!("{:032x}", rng.random::<u128>());
    format!("'{digits}'")
}

fn json(rng: &mut StdRng) -> String {
    let text = text(rng).replace('\\', "\\\\").replace('"', "\\\"").replace('\u{7f}', "");
    format!("'{{\"k\" : \"{}\", \"n\":[{}, null,true]}}'", text.trim_matches('\''), rng.random_range(0..99))
}

fn date(rng: &mut StdRng) -> String {
    let (year, month, day) = (rng.random_range(1..3000), rng.random_range(1..13), rng.random_range(1..29));
    let era = if rng.random_bool(0.1) { " BC" } else { "" };
    format!("'{year:04}-{month:02}-{day:02}{era}'")
}

fn time(rng: &mut StdRng) -> String {
    let (hour, minute, second) = (rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60));
    format!("'{hour:02}:{minute:02}:{second:02}.{:06}'", rng.random_range(0..1_000_000))
}

fn timestamp(rng: &mut StdRng) -> String {
    let date = date(rng);
    let (date, era) = match date.trim_matches('\'').split_once(' ') {
        Some((date, era)) => (date.to_owned(), format!(" {era}")),
        None => (date.trim_matches('\'').to_owned(), String::new()),
    };
    format!("'{date} {}{era}'", time(rng).trim_matches('\''))
}

fn interval(rng: &mut StdRng) -> String {
    format!(
        "'{} mons {} days {}.{:06}s'",
        rng.random_range(-30..30),
        rng.random_range(-40..40),
        rng.random_range(0..100_000),
        rng.random_range(0..1_000_000)
    )
}
