//! The sink task: appends each value as a line to a file, or writes it to standard output.
//!
//! The lines of a batch gather in one buffer that is written when it is full and at the end of the batch, so that readers of
//! the file see them at once. `flush`, which comes before every commit of offsets, makes the file durable. So a line whose offset is committed is in the file. A crash between two
//! commits repeats the lines since the last one. A crash inside a write can leave half a line: opening ends it with a
//! newline, so that the repeated line stands on a line of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use async_trait::async_trait;
use raccord_data::Value;
use raccord_plugin::{CommitOffsets, Error, RawConfig, Rejected, Result, SinkBatch, SinkContext, SinkTask};

use crate::config::SinkConfig;

/// How many bytes gather before they are written.
const WRITE_BYTES: usize = 256 * 1024;

/// Writes lines to a file or to standard output.
#[derive(Default)]
pub struct FileStreamSinkTask {
    name: String,
    output: Option<Output>,
    buffer: Vec<u8>,
}

enum Output {
    File(File),
    Stdout(io::Stdout),
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stdout(stdout) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            // Pipes and devices cannot be synced and need not be.
            Self::File(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => file.sync_data(),
            _ => Ok(()),
        }
    }
}

impl FileStreamSinkTask {
    /// Runs file work where blocking is allowed, with the buffer and the output moved there and back.
    async fn blocking(
        &mut self,
        work: impl FnOnce(&mut Output, &[u8]) -> io::Result<()> + Send + 'static,
    ) -> Result<()> {
        let Some(mut output) = self.output.take() else {
            return Err(Error::fatal(format!("{} is not open", self.name)));
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut output, &buffer);
            buffer.clear();
            (output, buffer, outcome)
        });
        let (output, buffer, outcome) =
            done.await.map_err(|error| Error::fatal("writing was interrupted").caused_by(error))?;
        self.output = Some(output);
        self.buffer = buffer;
        outcome.map_err(|error| {
            Error::fatal(format!("cannot write to {}: {error}", self.name))
                .hint("check free space and permissions, then restart the task: it goes on at the last committed offset")
        })
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    async fn open(&mut self, _context: SinkContext, config: &RawConfig) -> Result<()> {
        let config = SinkConfig::read(config)?;
        match config.file.filter(|file| !file.is_empty()) {
            None => {
                self.name = "stdout".to_owned();
                self.output = Some(Output::Stdout(io::stdout()));
            }
            Some(file) => {
                self.output = Some(Output::File(open_for_append(&file).map_err(|error| {
                    Error::fatal(format!("Couldn't find or create file '{file}' for FileStreamSinkTask"))
                        .hint("check that the folder exists and that the user who runs the worker may write there")
                        .caused_by(error)
                })?));
                self.name = file;
            }
        }
        Ok(())
    }

    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>> {
        for record in &batch.records {
            match &record.value {
                Value::String(text) => self.buffer.extend_from_slice(text.as_bytes()),
                value => raccord_data::java_text::append_value(value, &mut self.buffer),
            }
            self.buffer.push(b'\n');
            if self.buffer.len() >= WRITE_BYTES {
                self.blocking(|output, bytes| output.write(bytes)).await?;
            }
        }
        if !self.buffer.is_empty() {
            self.blocking(|output, bytes| output.write(bytes)).await?;
        }
        Ok(Vec::new())
    }

    async fn flush(&mut self, _offsets: &mut CommitOffsets) -> Result<()> {
        self.blocking(|output, bytes| output.write(bytes).and_then(|()| output.sync())).await
    }

    async fn close(&mut self) {
        self.output = None;
        self.buffer.clear();
    }
}

fn open_for_append(path: &str) -> io::Result<File> {
    let mut file = match OpenOptions::new().read(true).append(true).create(true).open(path) {
        // A file that may be written but not read cannot be looked at; everything else is as good.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return OpenOptions::new().append(true).create(true).open(path);
        }
        file => file?,
    };
    if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last[0] != b'\n' {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
