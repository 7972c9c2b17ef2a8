//! `HashMap<byte[], byte[]>` in the Java Object Serialization Stream Protocol, version 5: the content of
//! `offset.storage.file.filename`.
//!
//! Only what such a file contains is read: one `java.util.HashMap` whose keys and values are byte arrays or null, and
//! references back to arrays and class descriptions that came before.

use bytes::Bytes;
use indexmap::IndexMap;

const MAGIC: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_ARRAY: u8 = 0x75;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
const BASE_HANDLE: u32 = 0x7e_0000;
const SC_WRITE_METHOD: u8 = 0x01;
const SC_SERIALIZABLE: u8 = 0x02;

const HASH_MAP: &str = "java.util.HashMap";
const HASH_MAP_UID: u64 = 0x0507_dac1_c316_60d1;
const BYTE_ARRAY: &str = "[B";
const BYTE_ARRAY_UID: u64 = 0xacf3_17f8_0608_54e0;

/// Reads the map in the order of the stream; a key that is null is left out.
///
/// # Errors
/// What is not as it should be.
pub fn read(bytes: &[u8]) -> Result<Vec<(Bytes, Option<Bytes>)>, String> {
    let mut reader = Reader { rest: bytes, handles: Vec::new() };
    if reader.take(4)? != MAGIC {
        return Err("it does not begin like a Java serialization stream".to_owned());
    }
    reader.expect(TC_OBJECT, "an object")?;
    reader.class(HASH_MAP)?;
    reader.handles.push(Handle::Other);
    // Fields of the class: loadFactor and threshold, each four bytes.
    reader.take(8)?;
    reader.expect(TC_BLOCKDATA, "the size of the map")?;
    if reader.byte()? != 8 {
        return Err("the size of the map is missing".to_owned());
    }
    reader.take(4)?;
    let size = reader.u32()?;
    let mut entries = Vec::new();
    for _ in 0..size {
        let key = reader.array()?;
        let value = reader.array()?;
        entries.extend(key.map(|key| (key, value)));
    }
    reader.expect(TC_ENDBLOCKDATA, "the end of the map")?;
    Ok(entries)
}

enum Handle {
    Class(String),
    Array(Bytes),
    Other,
}

struct Reader<'a> {
    rest: &'a [u8],
    handles: Vec<Handle>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        if count > self.rest.len() {
            return Err("it ends early".to_owned());
        }
        let (head, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn expect(&mut self, tag: u8, what: &str) -> Result<(), String> {
        let found = self.byte()?;
        if found == tag { Ok(()) } else { Err(format!("{what} is missing (tag {found:#04x})")) }
    }

    fn handle(&mut self) -> Result<&Handle, String> {
        let number = self.u32()?.wrapping_sub(BASE_HANDLE);
        self.handles.get(number as usize).ok_or_else(|| "it refers to something that is not there".to_owned())
    }

    /// A class description, written out or as a reference to an earlier one.
    fn class(&mut self, expected: &str) -> Result<(), String> {
        let name = match self.byte()? {
            TC_REFERENCE => match self.handle()? {
                Handle::Class(name) => name.clone(),
                _ => return Err("it refers to something that is no class".to_owned()),
            },
            TC_CLASSDESC => self.class_description()?,
            tag => return Err(format!("a class description is missing (tag {tag:#04x})")),
        };
        if name == expected { Ok(()) } else { Err(format!("it contains a {name}, not a {expected}")) }
    }

    fn class_description(&mut self) -> Result<String, String> {
        let name = self.text()?;
        self.take(8)?;
        self.handles.push(Handle::Class(name.clone()));
        self.byte()?;
        for _ in 0..self.u16()? {
            let kind = self.byte()?;
            self.text()?;
            if matches!(kind, b'L' | b'[') {
                return Err(format!("class {name} has fields that are objects"));
            }
        }
        self.expect(TC_ENDBLOCKDATA, "the end of a class description")?;
        self.expect(TC_NULL, "the end of the superclasses")?;
        Ok(name)
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.u16()?;
        let bytes = self.take(usize::from(length))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a name is not text".to_owned())
    }

    fn array(&mut self) -> Result<Option<Bytes>, String> {
        match self.byte()? {
            TC_NULL => Ok(None),
            TC_REFERENCE => match self.handle()? {
                Handle::Array(bytes) => Ok(Some(bytes.clone())),
                _ => Err("it refers to something that is no byte array".to_owned()),
            },
            TC_ARRAY => {
                self.class(BYTE_ARRAY)?;
                let length = self.u32()?;
                let bytes = Bytes::copy_from_slice(self.take(length as usize)?);
                self.handles.push(Handle::Array(bytes.clone()));
                Ok(Some(bytes))
            }
            tag => Err(format!("a byte array is missing (tag {tag:#04x})")),
        }
    }
}

/// Writes the map in the order given, with the table size that a Java map of that many entries has.
pub fn write(entries: &IndexMap<Bytes, Option<Bytes>>) -> Vec<u8> {
    let slots = ((entries.len() as f32 / 0.75) + 1.0) as u32;
    let slots = slots.next_power_of_two().max(16);
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.push(TC_OBJECT);
    write_class(
        &mut out,
        HASH_MAP,
        HASH_MAP_UID,
        SC_WRITE_METHOD | SC_SERIALIZABLE,
        &[(b'F', "loadFactor"), (b'I', "threshold")],
    );
    out.extend_from_slice(&0.75f32.to_be_bytes());
    out.extend_from_slice(&(slots / 4 * 3).to_be_bytes());
    out.extend_from_slice(&[TC_BLOCKDATA, 8]);
    out.extend_from_slice(&slots.to_be_bytes());
    out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    let mut described = false;
    for (key, value) in entries {
        write_array(&mut out, &mut described, Some(key));
        write_array(&mut out, &mut described, value.as_ref());
    }
    out.push(TC_ENDBLOCKDATA);
    out
}

fn write_class(out: &mut Vec<u8>, name: &str, uid: u64, flags: u8, fields: &[(u8, &str)]) {
    out.push(TC_CLASSDESC);
    write_text(out, name);
    out.extend_from_slice(&uid.to_be_bytes());
    out.push(flags);
    out.extend_from_slice(&(fields.len() as u16).to_be_bytes());
    for (kind, name) in fields {
        out.push(*kind);
        write_text(out, name);
    }
    out.extend_from_slice(&[TC_ENDBLOCKDATA, TC_NULL]);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write_array(out: &mut Vec<u8>, described: &mut bool, bytes: Option<&Bytes>) {
    let Some(bytes) = bytes else {
        out.push(TC_NULL);
        return;
    };
    out.push(TC_ARRAY);
    if *described {
        // The class of byte arrays is the third thing with a handle: after the map's class and the map.
        out.push(TC_REFERENCE);
        out.extend_from_slice(&(BASE_HANDLE + 2).to_be_bytes());
    } else {
        write_class(out, BYTE_ARRAY, BYTE_ARRAY_UID, SC_SERIALIZABLE, &[]);
        *described = true;
    }
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by `ObjectOutputStream` of OpenJDK 17 for two keys, one of them with a null value.
    const FROM_JAVA: &str = "aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d103000246000a6c\
        6f6164466163746f724900097468726573686f6c6478703f4000000000000c77080000001000000002757200025b42acf317f8\
        060854e00200007870000000175b2263222c7b2266696c656e616d65223a222f62227d5d707571007e0002000000175b226322\
        2c7b2266696c656e616d65223a222f61227d5d7571007e00020000000e7b22706f736974696f6e223a377d78";

    fn from_hex(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn reads_and_writes_the_bytes_of_java() {
        let bytes = from_hex(FROM_JAVA);
        let entries: IndexMap<_, _> = read(&bytes).unwrap().into_iter().collect();
        assert_eq!(entries.get(&b"[\"c\",{\"filename\":\"/b\"}]"[..]), Some(&None));
        let value = Some(Bytes::from_static(b"{\"position\":7}"));
        assert_eq!(entries.get(&b"[\"c\",{\"filename\":\"/a\"}]"[..]), Some(&value));
        assert_eq!(write(&entries), bytes);
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(read(bytes).unwrap_err(), expect);
        check(b"", "it ends early");
        check(b"hello", "it does not begin like a Java serialization stream");
        let whole = from_hex(FROM_JAVA);
        check(&whole[..40], "it ends early");
        let mut list = whole.clone();
        list[8..24].copy_from_slice(b"java.util.TreeMa");
        assert!(read(&list).unwrap_err().contains("not a java.util.HashMap"));
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(
            entries in proptest::collection::hash_map(
                proptest::collection::vec(any::<u8>(), 0..20),
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
                0..30,
            ),
        ) {
            let entries: IndexMap<Bytes, Option<Bytes>> =
                entries.into_iter().map(|(key, value)| (key.into(), value.map(Bytes::from))).collect();
            let back: IndexMap<_, _> = read(&write(&entries)).unwrap().into_iter().collect();
            prop_assert_eq!(back, entries);
        }

        #[test]
        fn no_bytes_make_it_panic(mut cut in 0..180usize, flip in 0..180usize, with: u8) {
            let mut bytes = from_hex(FROM_JAVA);
            cut = cut.min(bytes.len());
            let flip = flip % bytes.len();
            bytes[flip] ^= with;
            let _ = read(&bytes[..cut]);
        }
    }
}
