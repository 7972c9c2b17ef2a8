//! The writing half: what `ObjectOutputStream` writes for the array.

use num_bigint::{BigInt, Sign};

use super::JavaObject;
use super::read::{
    BASE_HANDLE, MAGIC, TC_ARRAY, TC_BLOCKDATA, TC_CLASSDESC, TC_ENDBLOCKDATA, TC_LONGSTRING, TC_NULL,
    TC_OBJECT, TC_REFERENCE, TC_STRING,
};

/// A class with what its descriptor says.
struct Class {
    name: &'static str,
    /// Its serialVersionUID.
    version: u64,
    /// 2: serialisable; 1: writes something of its own besides its fields.
    flags: u8,
    /// Type code, name and, for objects, the class; primitive ones first.
    fields: &'static [(u8, &'static str, Option<&'static str>)],
    parent: Option<&'static Class>,
}

const SERIALIZABLE: u8 = 2;
const WRITES: u8 = 3;

static NUMBER: Class = Class {
    name: "java.lang.Number",
    version: 0x86AC_951D_0B94_E08B,
    flags: SERIALIZABLE,
    fields: &[],
    parent: None,
};
static DATE: Class = Class {
    name: "java.util.Date",
    version: 0x686A_8101_4B59_7419,
    flags: WRITES,
    fields: &[],
    parent: None,
};
static OBJECTS: Class = Class {
    name: "[Ljava.lang.Object;",
    version: 0x90CE_589F_1073_296C,
    flags: SERIALIZABLE,
    fields: &[],
    parent: None,
};
static BYTES: Class =
    Class { name: "[B", version: 0xACF3_17F8_0608_54E0, flags: SERIALIZABLE, fields: &[], parent: None };
static BOOLEAN: Class = Class {
    name: "java.lang.Boolean",
    version: 0xCD20_7280_D59C_FAEE,
    flags: SERIALIZABLE,
    fields: &[(b'Z', "value", None)],
    parent: None,
};
static BYTE: Class = number("java.lang.Byte", 0x9C4E_6084_EE50_F51C, &[(b'B', "value", None)]);
static SHORT: Class = number("java.lang.Short", 0x684D_3713_3460_DA52, &[(b'S', "value", None)]);
static INTEGER: Class = number("java.lang.Integer", 0x12E2_A0A4_F781_8738, &[(b'I', "value", None)]);
static LONG: Class = number("java.lang.Long", 0x3B8B_E490_CC8F_23DF, &[(b'J', "value", None)]);
static FLOAT: Class = number("java.lang.Float", 0xDAED_C9A2_DB3C_F0EC, &[(b'F', "value", None)]);
static DOUBLE: Class = number("java.lang.Double", 0x80B3_C24A_296B_FB04, &[(b'D', "value", None)]);
static BIG_INTEGER: Class = Class {
    flags: WRITES,
    ..number(
        "java.math.BigInteger",
        0x8CFC_9F1F_A93B_FB1D,
        &[
            (b'I', "bitCount", None),
            (b'I', "bitLength", None),
            (b'I', "firstNonzeroByteNum", None),
            (b'I', "lowestSetBit", None),
            (b'I', "signum", None),
            (b'[', "magnitude", Some("[B")),
        ],
    )
};
static BIG_DECIMAL: Class = Class {
    flags: WRITES,
    ..number(
        "java.math.BigDecimal",
        0x54C7_1557_F981_284F,
        &[(b'I', "scale", None), (b'L', "intVal", Some("Ljava/math/BigInteger;"))],
    )
};
static TIMESTAMP: Class = Class {
    name: "java.sql.Timestamp",
    version: 0x2618_D5C8_0153_BF65,
    flags: SERIALIZABLE,
    fields: &[(b'I', "nanos", None)],
    parent: Some(&DATE),
};
static SQL_DATE: Class = Class {
    name: "java.sql.Date",
    version: 0x14FA_4668_3F35_6697,
    flags: SERIALIZABLE,
    fields: &[],
    parent: Some(&DATE),
};
static TIME: Class = Class {
    name: "java.sql.Time",
    version: 0x7489_4A0D_D932_C471,
    flags: SERIALIZABLE,
    fields: &[],
    parent: Some(&DATE),
};
static UUID: Class = Class {
    name: "java.util.UUID",
    version: 0xBC99_03F7_986D_852F,
    flags: SERIALIZABLE,
    fields: &[(b'J', "leastSigBits", None), (b'J', "mostSigBits", None)],
    parent: None,
};
static PG_OBJECT: Class = Class {
    name: "org.postgresql.util.PGobject",
    version: 0x4BF8_95CA_AC6F_6444,
    flags: SERIALIZABLE,
    fields: &[(b'L', "type", Some("Ljava/lang/String;")), (b'L', "value", Some("Ljava/lang/String;"))],
    parent: None,
};

const fn number(
    name: &'static str,
    version: u64,
    fields: &'static [(u8, &'static str, Option<&'static str>)],
) -> Class {
    Class { name, version, flags: SERIALIZABLE, fields, parent: Some(&NUMBER) }
}

/// The bytes of the array, or of null.
pub fn array(array: Option<&[JavaObject]>) -> Vec<u8> {
    let mut writer =
        Writer { out: MAGIC.to_vec(), handles: 0, classes: Vec::new(), names: Vec::new(), kept: Vec::new() };
    match array {
        None => writer.out.push(TC_NULL),
        Some(elements) => {
            writer.out.push(TC_ARRAY);
            writer.class(&OBJECTS);
            writer.handle();
            writer.i32(elements.len() as i32);
            for element in elements {
                writer.object(element);
            }
        }
    }
    writer.out
}

struct Writer {
    out: Vec<u8>,
    /// How many handles were given.
    handles: u32,
    /// Descriptors that were written, and names of fields' classes.
    classes: Vec<(&'static str, u32)>,
    names: Vec<(&'static str, u32)>,
    /// Objects of which the JVM has one instance only.
    kept: Vec<(JavaObject, u32)>,
}

/// Whether the JVM hands out one instance for this value: its caches of small numbers, and the two booleans.
fn is_kept(object: &JavaObject) -> bool {
    match object {
        JavaObject::Boolean(_) | JavaObject::Byte(_) => true,
        JavaObject::Short(number) => (-128..128).contains(number),
        JavaObject::Integer(number) => (-128..128).contains(number),
        JavaObject::Long(number) => (-128..128).contains(number),
        JavaObject::BigInteger(number) => *number.magnitude() <= 16u32.into(),
        _ => false,
    }
}

impl Writer {
    fn i32(&mut self, number: i32) {
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn handle(&mut self) -> u32 {
        self.handles += 1;
        self.handles - 1
    }

    fn reference(&mut self, handle: u32) {
        self.out.push(TC_REFERENCE);
        self.out.extend_from_slice(&(BASE_HANDLE + handle).to_be_bytes());
    }

    /// A text of at most 65,535 bytes.
    fn utf(&mut self, text: &str) {
        self.out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
        self.handle();
        let bytes = modified_utf8(text);
        match u16::try_from(bytes.len()) {
            Ok(length) => {
                self.out.push(TC_STRING);
                self.out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                self.out.push(TC_LONGSTRING);
                self.out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            }
        }
        self.out.extend_from_slice(&bytes);
    }

    fn class(&mut self, class: &'static Class) {
        if let Some((_, handle)) = self.classes.iter().find(|(name, _)| *name == class.name) {
            return self.reference(*handle);
        }
        self.out.push(TC_CLASSDESC);
        let handle = self.handle();
        self.classes.push((class.name, handle));
        self.utf(class.name);
        self.out.extend_from_slice(&class.version.to_be_bytes());
        self.out.push(class.flags);
        self.out.extend_from_slice(&(class.fields.len() as u16).to_be_bytes());
        for (code, name, of) in class.fields {
            self.out.push(*code);
            self.utf(name);
            let Some(of) = *of else { continue };
            match self.names.iter().find(|(name, _)| *name == of) {
                Some((_, handle)) => self.reference(*handle),
                None => {
                    self.names.push((of, self.handles));
                    self.string(of);
                }
            }
        }
        self.out.push(TC_ENDBLOCKDATA);
        match class.parent {
            Some(parent) => self.class(parent),
            None => self.out.push(TC_NULL),
        }
    }

    /// Begins an object: what follows are the values of its fields, those of its parents first.
    fn begin(&mut self, class: &'static Class) -> u32 {
        self.out.push(TC_OBJECT);
        self.class(class);
        self.handle()
    }

    fn simple(&mut self, class: &'static Class, value: &[u8]) -> u32 {
        let handle = self.begin(class);
        self.out.extend_from_slice(value);
        handle
    }

    fn object(&mut self, object: &JavaObject) {
        if is_kept(object)
            && let Some((_, handle)) = self.kept.iter().find(|(kept, _)| kept == object)
        {
            return self.reference(*handle);
        }
        let handle = match object {
            JavaObject::Null => return self.out.push(TC_NULL),
            JavaObject::Boolean(flag) => self.simple(&BOOLEAN, &[u8::from(*flag)]),
            JavaObject::Byte(number) => self.simple(&BYTE, &number.to_be_bytes()),
            JavaObject::Short(number) => self.simple(&SHORT, &number.to_be_bytes()),
            JavaObject::Integer(number) => self.simple(&INTEGER, &number.to_be_bytes()),
            JavaObject::Long(number) => self.simple(&LONG, &number.to_be_bytes()),
            JavaObject::Float(number) => self.simple(&FLOAT, &number.to_be_bytes()),
            JavaObject::Double(number) => self.simple(&DOUBLE, &number.to_be_bytes()),
            JavaObject::String(text) => return self.string(text),
            JavaObject::BigInteger(number) => self.big_integer(number),
            JavaObject::Decimal { unscaled, scale } => {
                self.begin(&BIG_DECIMAL);
                self.i32(*scale);
                self.object(&JavaObject::BigInteger(unscaled.clone()));
                return self.out.push(TC_ENDBLOCKDATA);
            }
            JavaObject::Timestamp { seconds, nanos } => {
                self.date(&TIMESTAMP, seconds.wrapping_mul(1_000));
                return self.i32(*nanos);
            }
            JavaObject::Date(millis) => return self.date(&SQL_DATE, *millis),
            JavaObject::Time(millis) => return self.date(&TIME, *millis),
            JavaObject::Uuid(bits) => {
                let mut halves = (*bits as u64).to_be_bytes().to_vec();
                halves.extend_from_slice(&((bits >> 64) as u64).to_be_bytes());
                self.simple(&UUID, &halves)
            }
            JavaObject::Bytes(bytes) => return self.bytes(bytes),
            JavaObject::PgObject { ty, value } => {
                self.begin(&PG_OBJECT);
                self.string(ty);
                match value {
                    Some(value) => self.string(value),
                    None => self.out.push(TC_NULL),
                }
                return;
            }
        };
        if is_kept(object) {
            self.kept.push((object.clone(), handle));
        }
    }

    fn date(&mut self, class: &'static Class, millis: i64) {
        self.begin(class);
        self.out.extend_from_slice(&[TC_BLOCKDATA, 8]);
        self.out.extend_from_slice(&millis.to_be_bytes());
        self.out.push(TC_ENDBLOCKDATA);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.push(TC_ARRAY);
        self.class(&BYTES);
        self.handle();
        self.i32(bytes.len() as i32);
        self.out.extend_from_slice(bytes);
    }

    fn big_integer(&mut self, number: &BigInt) -> u32 {
        let handle = self.begin(&BIG_INTEGER);
        // Numbers that Java 1.1 wrote there: -1, -1, -2, -2 mean that they are not known.
        for number in [-1, -1, -2, -2] {
            self.i32(number);
        }
        let (sign, magnitude) = number.to_bytes_be();
        let (signum, magnitude) = match sign {
            Sign::Minus => (-1, magnitude),
            Sign::NoSign => (0, Vec::new()),
            Sign::Plus => (1, magnitude),
        };
        self.i32(signum);
        self.bytes(&magnitude);
        self.out.push(TC_ENDBLOCKDATA);
        handle
    }
}

/// Java's form of UTF-8: surrogates one by one, and two bytes for zero.
fn modified_utf8(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let tail = |shift: u16| 0x80 | (unit >> shift & 0x3F) as u8;
        match unit {
            1..0x80 => out.push(unit as u8),
            0..0x800 => out.extend([0xC0 | (unit >> 6) as u8, tail(0)]),
            _ => out.extend([0xE0 | (unit >> 12) as u8, tail(6), tail(0)]),
        }
    }
    out
}
