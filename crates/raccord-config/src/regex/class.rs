//! Character classes in brackets, read as Java reads them: nested classes are united, `&&` intersects with all that
//! follows up to the next one, a `^` negates the whole, and some oddities of Java's parser that patterns may rest on.

use regex_syntax::hir::ClassUnicode;

use super::PatternError;
use super::chars;
use super::escape::Escape;
use super::parse::Parser;

impl Parser<'_> {
    /// Reads a class; the cursor is before its first character, and behind the `]` afterwards when `consume`.
    pub(super) fn class(&mut self, consume: bool) -> Result<ClassUnicode, PatternError> {
        self.enter()?;
        let mut so_far: Option<ClassUnicode> = None;
        // Single characters of Latin-1 are put aside and united when the class or a `&&` ends what stands before it.
        let mut singles: Option<ClassUnicode> = None;
        let mut last: Option<ClassUnicode> = None;
        let mut negated = false;
        let mut code = self.next();
        let start = self.at;
        loop {
            match char::from_u32(code).unwrap_or('a') {
                '^' if self.at == start && self.behind() == '[' as u32 => {
                    code = self.next();
                    negated = true;
                    continue;
                }
                '[' => {
                    let inner = self.class(true)?;
                    unite(&mut so_far, &inner);
                    last = Some(inner);
                    code = self.peek();
                    continue;
                }
                '&' => {
                    if self.next() == '&' as u32 {
                        let right = self.right_side()?;
                        if let Some(singles) = singles.take() {
                            if so_far.is_none() {
                                last = Some(singles.clone());
                            }
                            unite(&mut so_far, &singles);
                        }
                        if right.is_some() {
                            last = right.clone();
                        }
                        match (&mut so_far, right) {
                            (None, None) => return Err(self.error("Bad class syntax")),
                            (None, Some(right)) => so_far = Some(right),
                            (Some(left), _) => {
                                if let Some(last) = &last {
                                    left.intersect(last);
                                }
                            }
                        }
                        code = self.peek();
                        continue;
                    }
                    self.unread();
                }
                '\0' if self.at_end() => return Err(self.error("Unclosed character class")),
                ']' if so_far.is_some() || singles.is_some() => {
                    if consume {
                        self.next();
                    }
                    break;
                }
                _ => {}
            }
            let (set, single) = self.range()?;
            if single {
                unite(&mut singles, &set);
                last = None;
            } else {
                unite(&mut so_far, &set);
                last = Some(set);
            }
            code = self.peek();
        }
        self.leave();
        if let Some(singles) = singles {
            unite(&mut so_far, &singles);
        }
        let set = so_far.unwrap_or_else(|| chars::of(&[]));
        Ok(if negated { chars::not(set) } else { set })
    }

    /// What stands behind `&&`, up to the next one or the end.
    fn right_side(&mut self) -> Result<Option<ClassUnicode>, PatternError> {
        let mut right: Option<ClassUnicode> = None;
        let mut code = self.next();
        while code != ']' as u32 && code != '&' as u32 {
            if code == '[' as u32 {
                let inner = self.class(true)?;
                unite(&mut right, &inner);
            } else {
                self.unread();
                let plain = self.class(false)?;
                unite(&mut right, &plain);
            }
            code = self.peek();
        }
        Ok(right)
    }

    /// A character, a range or an escape, and whether it is a single character of Latin-1.
    fn range(&mut self) -> Result<(ClassUnicode, bool), PatternError> {
        let mut from = self.peek();
        if from == '\\' as u32 {
            if self.is_property() {
                return Ok((self.property()?, false));
            }
            self.next_escaped();
            let in_range = self.ahead() == '-' as u32;
            self.unread();
            match self.escape(true, in_range)? {
                Escape::Char(code) => from = code,
                Escape::Set(set) => return Ok((set, false)),
                Escape::Node(_) => return Err(self.error("Illegal/unsupported escape sequence")),
            }
        } else {
            self.next();
        }
        if self.peek() == '-' as u32 {
            let end = self.ahead();
            if end != ']' as u32 && end != '[' as u32 {
                self.next();
                let mut to = self.peek();
                if to == '\\' as u32 {
                    to = match self.escape(true, true)? {
                        Escape::Char(code) => code,
                        // Java takes a set for the character -1.
                        _ => return Err(self.error("Illegal character range")),
                    };
                } else {
                    self.next();
                }
                if to < from {
                    return Err(self.error("Illegal character range"));
                }
                return Ok((self.folded(from, to), false));
            }
        }
        Ok((self.folded(from, from), from < 256))
    }
}

fn unite(to: &mut Option<ClassUnicode>, set: &ClassUnicode) {
    match to {
        Some(to) => to.union(set),
        None => *to = Some(set.clone()),
    }
}
