//! As much of DER as key stores need: elements with tags, read and written.

/// Elements one after the other.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The content of the next element, if it has the tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    /// Tag and content; none at the end and where it is no DER.
    fn next(&mut self) -> Option<Self::Item> {
        let [tag, length] = *self.take(2)? else { return None };
        let length = match length {
            0..=0x7f => usize::from(length),
            0x81..=0x84 => {
                let digits = self.take(usize::from(length & 0x7f))?;
                digits.iter().fold(0usize, |total, digit| total << 8 | usize::from(*digit))
            }
            _ => return None,
        };
        Some((tag, self.take(length)?))
    }
}

/// An element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len();
    if length < 0x80 {
        element.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
        element.push(0x80 | digits.len() as u8);
        element.extend_from_slice(digits);
    }
    element.extend_from_slice(content);
    element
}
