//! Rows of a binary COPY, as slices of the frames that they came in. Source of the format: PostgreSQL's documentation,
//! COPY, "Binary Format".

use bytes::{Buf, Bytes};
use raccord_plugin::{Error, Result};

/// The first bytes of a binary COPY.
const COPY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// The statement whose answer these rows are.
pub fn statement(select: &str) -> String {
    format!("COPY ({select}) TO STDOUT (FORMAT binary)")
}

/// Takes the next row off the frames: its fields, behind their count.
pub fn next_row(frames: &mut Bytes) -> Option<Result<Bytes>> {
    let broken = || Some(Err(Error::fatal("the data of COPY are broken")));
    loop {
        let length = u32::from_be_bytes(frames.get(1..5)?.try_into().ok()?) as usize + 1;
        if length < 5 || length > frames.len() {
            return broken();
        }
        let mut row = frames.split_to(length);
        row.advance(5);
        if row.starts_with(COPY_SIGNATURE) {
            let flags = COPY_SIGNATURE.len() + 4;
            let Some(mut extension) = row.get(flags..flags + 4) else { return broken() };
            let header = flags + 4 + extension.get_u32() as usize;
            if header > row.len() {
                return broken();
            }
            row.advance(header);
        }
        match row.get(..2).map(|mut count| count.get_i16()) {
            // The end of the data, or a header alone.
            Some(-1) | None => {}
            Some(_) => return Some(Ok(row)),
        }
    }
}

/// Finds where the fields of a row are.
pub fn split(row: &Bytes, fields: &mut Vec<Option<(usize, usize)>>) -> Option<()> {
    fields.clear();
    let count = row.get(..2)?.get_i16();
    let mut place = 2;
    for _ in 0..count {
        let length = row.get(place..place + 4)?.get_i32();
        place += 4;
        match usize::try_from(length) {
            Ok(length) => {
                let end = place.checked_add(length).filter(|end| *end <= row.len())?;
                fields.push(Some((place, end)));
                place = end;
            }
            Err(_) => fields.push(None),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &[u8]) -> Vec<u8> {
        let mut frame = vec![b'd'];
        frame.extend_from_slice(&(data.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(data);
        frame
    }

    #[test]
    fn rows_come_out_of_frames_without_header_and_trailer() {
        let mut first = COPY_SIGNATURE.to_vec();
        first.extend_from_slice(&[0; 8]);
        first.extend_from_slice(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff");
        let mut frames = Bytes::from([frame(&first), frame(b"\0\x01\0\0\0\0"), frame(b"\xff\xff")].concat());
        let mut fields = Vec::new();
        let row = next_row(&mut frames).unwrap().unwrap();
        split(&row, &mut fields).unwrap();
        assert_eq!(fields, [Some((6, 7)), None]);
        let row = next_row(&mut frames).unwrap().unwrap();
        split(&row, &mut fields).unwrap();
        assert_eq!(fields, [Some((6, 6))]);
        assert!(next_row(&mut frames).is_none());
    }

    #[test]
    fn broken_rows_are_errors() {
        let mut fields = Vec::new();
        for row in [&b""[..], b"\0", b"\0\x01\0\0", b"\0\x01\0\0\0\x05abc"] {
            assert!(split(&Bytes::from_static(row), &mut fields).is_none(), "{row:?}");
        }
    }
}
