//! The reading half: the grammar as far as the classes of keys use it.
//!
//! Bytes come from a topic that others may write, so everything is checked: lengths against what is there, references
//! against what was read, depth and number of elements against limits. What is referred to is shared, not copied.

use std::rc::Rc;

use num_bigint::{BigInt, Sign};

use super::{JavaObject, JavaObjectError};

pub(super) const MAGIC: [u8; 4] = [0xAC, 0xED, 0, 5];
pub(super) const TC_NULL: u8 = 0x70;
pub(super) const TC_REFERENCE: u8 = 0x71;
pub(super) const TC_CLASSDESC: u8 = 0x72;
pub(super) const TC_OBJECT: u8 = 0x73;
pub(super) const TC_STRING: u8 = 0x74;
pub(super) const TC_ARRAY: u8 = 0x75;
pub(super) const TC_BLOCKDATA: u8 = 0x77;
pub(super) const TC_ENDBLOCKDATA: u8 = 0x78;
const TC_BLOCKDATALONG: u8 = 0x7A;
pub(super) const TC_LONGSTRING: u8 = 0x7C;
pub(super) const BASE_HANDLE: u32 = 0x7E_0000;
const SC_WRITE_METHOD: u8 = 1;
const SC_SERIALIZABLE: u8 = 2;
/// Arrays in objects in arrays: keys need three levels.
const DEPTH_MAX: usize = 16;
/// Columns of a key.
const ELEMENTS_MAX: usize = 256;

type Result<T> = std::result::Result<T, JavaObjectError>;

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(JavaObjectError(what.into()))
}

/// Reads the array, or null.
pub fn array(bytes: &[u8]) -> Result<Option<Vec<JavaObject>>> {
    let mut reader = Reader { rest: bytes, handles: Vec::new(), depth: 0 };
    if reader.take(4)? != MAGIC {
        return wrong("not a stream of Java's serialisation");
    }
    match &*reader.content()? {
        Node::Null => Ok(None),
        Node::Array { class, elements } if &**class == "[Ljava.lang.Object;" => {
            elements.iter().map(|element| object(element)).collect::<Result<_>>().map(Some)
        }
        _ => wrong("not an Object[]"),
    }
}

/// Anything that was read. Cells of primitive fields are kept as their bits.
#[derive(Debug)]
enum Node {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Array { class: Rc<str>, elements: Vec<Rc<Node>> },
    Object(Object),
}

#[derive(Debug)]
struct Object {
    class: Rc<str>,
    primitives: Vec<(Rc<str>, u64)>,
    objects: Vec<(Rc<str>, Rc<Node>)>,
    /// What its class or its parents wrote besides fields.
    block: Vec<u8>,
}

impl Object {
    fn number(&self, field: &str) -> Result<u64> {
        match self.primitives.iter().find(|(name, _)| **name == *field) {
            Some((_, bits)) => Ok(*bits),
            None => wrong(format!("an object of {} without {field}", self.class)),
        }
    }

    fn part(&self, field: &str) -> Result<&Node> {
        match self.objects.iter().find(|(name, _)| **name == *field) {
            Some((_, node)) => Ok(node),
            None => wrong(format!("an object of {} without {field}", self.class)),
        }
    }

    fn millis(&self) -> Result<i64> {
        match self.block.first_chunk::<8>() {
            Some(bytes) => Ok(i64::from_be_bytes(*bytes)),
            None => wrong("a date without its time"),
        }
    }
}

fn object(node: &Node) -> Result<JavaObject> {
    let object = match node {
        Node::Null => return Ok(JavaObject::Null),
        Node::Text(text) => return Ok(JavaObject::String(text.clone())),
        Node::Bytes(bytes) => return Ok(JavaObject::Bytes(bytes.clone())),
        Node::Array { class, .. } => return wrong(format!("an element of class {class}")),
        Node::Object(object) => object,
    };
    let value = |name: &str| object.number(name);
    Ok(match &*object.class {
        "java.lang.Boolean" => JavaObject::Boolean(value("value")? != 0),
        "java.lang.Byte" => JavaObject::Byte(value("value")? as i8),
        "java.lang.Short" => JavaObject::Short(value("value")? as i16),
        "java.lang.Integer" => JavaObject::Integer(value("value")? as i32),
        "java.lang.Long" => JavaObject::Long(value("value")? as i64),
        "java.lang.Float" => JavaObject::Float(f32::from_bits(value("value")? as u32)),
        "java.lang.Double" => JavaObject::Double(f64::from_bits(value("value")?)),
        "java.math.BigInteger" => JavaObject::BigInteger(big_integer(object)?),
        "java.math.BigDecimal" => match object.part("intVal")? {
            Node::Object(unscaled) => {
                JavaObject::Decimal { unscaled: big_integer(unscaled)?, scale: value("scale")? as i32 }
            }
            _ => return wrong("a BigDecimal without digits"),
        },
        "java.sql.Timestamp" => JavaObject::Timestamp {
            seconds: object.millis()?.div_euclid(1_000),
            nanos: value("nanos")? as i32,
        },
        "java.sql.Date" => JavaObject::Date(object.millis()?),
        "java.sql.Time" => JavaObject::Time(object.millis()?),
        "java.util.UUID" => {
            JavaObject::Uuid(u128::from(value("mostSigBits")?) << 64 | u128::from(value("leastSigBits")?))
        }
        "org.postgresql.util.PGobject" => JavaObject::PgObject {
            ty: match object.part("type")? {
                Node::Text(ty) => ty.clone(),
                _ => String::new(),
            },
            value: match object.part("value")? {
                Node::Text(value) => Some(value.clone()),
                _ => None,
            },
        },
        class => return wrong(format!("an element of class {class}")),
    })
}

fn big_integer(object: &Object) -> Result<BigInt> {
    let Node::Bytes(magnitude) = object.part("magnitude")? else {
        return wrong("a BigInteger without digits");
    };
    let sign = match object.number("signum")? as i32 {
        ..0 => Sign::Minus,
        0 => Sign::NoSign,
        1.. => Sign::Plus,
    };
    Ok(BigInt::from_bytes_be(sign, magnitude))
}

/// A class's descriptor.
struct Class {
    name: Rc<str>,
    flags: u8,
    fields: Vec<(u8, Rc<str>)>,
    parent: Option<Rc<Class>>,
}

/// What a handle stands for.
enum Handle {
    Class(Rc<Class>),
    Node(Rc<Node>),
    /// An object whose end has not been read.
    Open,
}

struct Reader<'a> {
    rest: &'a [u8],
    handles: Vec<Handle>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => wrong("the stream is cut short"),
        }
    }

    fn number(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn utf(&mut self, length_bytes: usize) -> Result<String> {
        let length = self.number(length_bytes)?;
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        from_modified_utf8(bytes)
    }

    /// A value of a primitive type, as bits with the sign extended.
    fn primitive(&mut self, code: u8) -> Result<u64> {
        Ok(match code {
            b'B' => self.number(1)? as u8 as i8 as u64,
            b'Z' => self.number(1)?,
            b'C' => self.number(2)?,
            b'S' => self.number(2)? as u16 as i16 as u64,
            b'I' => self.number(4)? as u32 as i32 as u64,
            b'F' => self.number(4)?,
            b'J' | b'D' => self.number(8)?,
            _ => return wrong("a field of an unknown kind"),
        })
    }

    fn reference(&mut self) -> Result<&Handle> {
        let handle = (self.number(4)? as u32).wrapping_sub(BASE_HANDLE);
        match self.handles.get(handle as usize) {
            Some(handle) => Ok(handle),
            None => wrong("a reference to nothing"),
        }
    }

    fn class(&mut self) -> Result<Option<Rc<Class>>> {
        match self.byte()? {
            TC_NULL => Ok(None),
            TC_REFERENCE => match self.reference()? {
                Handle::Class(class) => Ok(Some(class.clone())),
                _ => wrong("a reference to a class that is none"),
            },
            TC_CLASSDESC => self.deeper(Self::new_class).map(Some),
            _ => wrong("a class is missing"),
        }
    }

    fn new_class(&mut self) -> Result<Rc<Class>> {
        let name = self.utf(2)?.into();
        self.take(8)?;
        let handle = self.open();
        let flags = self.byte()?;
        let mut fields = Vec::new();
        for _ in 0..self.number(2)? {
            let code = self.byte()?;
            let name: Rc<str> = self.utf(2)?.into();
            if matches!(code, b'L' | b'[') {
                self.content()?;
            }
            fields.push((code, name));
        }
        if self.byte()? != TC_ENDBLOCKDATA {
            return wrong("a class with annotations");
        }
        let parent = self.class()?;
        let class = Rc::new(Class { name, flags, fields, parent });
        self.handles[handle] = Handle::Class(class.clone());
        Ok(class)
    }

    fn open(&mut self) -> usize {
        self.handles.push(Handle::Open);
        self.handles.len() - 1
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return wrong("too deep");
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn content(&mut self) -> Result<Rc<Node>> {
        let code = self.byte()?;
        self.content_of(code)
    }

    fn content_of(&mut self, code: u8) -> Result<Rc<Node>> {
        match code {
            TC_NULL => Ok(Rc::new(Node::Null)),
            TC_REFERENCE => match self.reference()? {
                Handle::Node(node) => Ok(node.clone()),
                _ => wrong("a reference to an object that is none"),
            },
            TC_STRING | TC_LONGSTRING => {
                let handle = self.open();
                let text = self.utf(if code == TC_STRING { 2 } else { 8 })?;
                Ok(self.closed(handle, Node::Text(text)))
            }
            TC_ARRAY => self.deeper(Self::array),
            TC_OBJECT => self.deeper(Self::object),
            _ => wrong(format!("a part of an unknown kind, {code:#x}")),
        }
    }

    fn closed(&mut self, handle: usize, node: Node) -> Rc<Node> {
        let node = Rc::new(node);
        self.handles[handle] = Handle::Node(node.clone());
        node
    }

    fn array(&mut self) -> Result<Rc<Node>> {
        let Some(class) = self.class()? else { return wrong("an array without class") };
        let handle = self.open();
        let length = self.number(4)? as usize;
        let node = match &*class.name {
            "[B" => Node::Bytes(self.take(length)?.to_vec()),
            name if name.starts_with("[L") => {
                if length > ELEMENTS_MAX {
                    return wrong(format!("{length} elements"));
                }
                let mut elements = Vec::new();
                for _ in 0..length {
                    elements.push(self.content()?);
                }
                Node::Array { class: class.name.clone(), elements }
            }
            name => return wrong(format!("an array of class {name}")),
        };
        Ok(self.closed(handle, node))
    }

    fn object(&mut self) -> Result<Rc<Node>> {
        let Some(class) = self.class()? else { return wrong("an object without class") };
        let handle = self.open();
        let mut object = Object {
            class: class.name.clone(),
            primitives: Vec::new(),
            objects: Vec::new(),
            block: Vec::new(),
        };
        self.fields(&class, &mut object)?;
        Ok(self.closed(handle, Node::Object(object)))
    }

    /// The fields of a class and its parents, parents first.
    fn fields(&mut self, class: &Class, object: &mut Object) -> Result<()> {
        if let Some(parent) = &class.parent {
            self.fields(parent, object)?;
        }
        if class.flags & SC_SERIALIZABLE == 0 {
            return wrong(format!("an object of class {}", class.name));
        }
        for (code, name) in &class.fields {
            match code {
                b'L' | b'[' => object.objects.push((name.clone(), self.content()?)),
                code => object.primitives.push((name.clone(), self.primitive(*code)?)),
            }
        }
        if class.flags & SC_WRITE_METHOD == 0 {
            return Ok(());
        }
        loop {
            let length = match self.byte()? {
                TC_ENDBLOCKDATA => return Ok(()),
                TC_BLOCKDATA => self.number(1)?,
                TC_BLOCKDATALONG => self.number(4)?,
                code => {
                    self.content_of(code)?;
                    continue;
                }
            };
            object.block.extend_from_slice(self.take(length as usize)?);
        }
    }
}

fn from_modified_utf8(bytes: &[u8]) -> Result<String> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let (length, unit) = match (*first, behind) {
            (..0x80, _) => (1, u16::from(*first)),
            (0xC0..0xE0, [second, ..]) => (2, u16::from(first & 0x1F) << 6 | u16::from(second & 0x3F)),
            (0xE0..0xF0, [second, third, ..]) => {
                let high = u16::from(first & 0x0F) << 12 | u16::from(second & 0x3F) << 6;
                (3, high | u16::from(third & 0x3F))
            }
            _ => return wrong("a text that is no UTF-8"),
        };
        units.push(unit);
        rest = &rest[length..];
    }
    match String::from_utf16(&units) {
        Ok(text) => Ok(text),
        Err(_) => wrong("a text with half a character"),
    }
}
