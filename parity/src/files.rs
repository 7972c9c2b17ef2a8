//! What scenarios do to the files that connectors read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::scenario::{FileAction, Names};

/// Carries out a change below `folder`.
///
/// # Errors
/// When the file system refuses, or a base64 text is none.
pub fn apply(action: &FileAction, folder: &Path, names: &Names) -> Result<()> {
    let path = folder.join(&action.path);
    let times = action.times.unwrap_or(1);
    (|| -> Result<()> {
        if let Some(text) = &action.write {
            fs::write(&path, names.fill(text).repeat(times))?;
        }
        if let Some(text) = &action.write_base64 {
            fs::write(&path, STANDARD.decode(text)?.repeat(times))?;
        }
        let appended = match (&action.append, &action.append_base64) {
            (Some(text), _) => Some(names.fill(text).into_bytes()),
            (None, Some(text)) => Some(STANDARD.decode(text)?),
            (None, None) => None,
        };
        if let Some(bytes) = appended {
            OpenOptions::new().append(true).create(true).open(&path)?.write_all(&bytes.repeat(times))?;
        }
        if let Some(length) = action.truncate {
            OpenOptions::new().write(true).open(&path)?.set_len(length)?;
        }
        if let Some(to) = &action.rename {
            fs::rename(&path, folder.join(to))?;
        }
        if let Some(bits) = &action.chmod {
            fs::set_permissions(&path, fs::Permissions::from_mode(u32::from_str_radix(bits, 8)?))?;
        }
        if action.mkdir == Some(true) {
            fs::create_dir(&path)?;
        }
        if action.remove == Some(true) {
            fs::remove_file(&path)?;
        }
        Ok(())
    })()
    .with_context(|| format!("file {}", action.path))
}
