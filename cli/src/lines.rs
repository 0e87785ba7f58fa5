//! A file read line by line in bounded memory, and a hash of all of it.

use crate::journal::at;
use local::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What is read at once for the hash, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Text(Vec<u8>),
    /// It is longer than what is allowed, and was passed over.
    TooLong,
}

/// The lines of a file from an offset on.
pub struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    max: usize,
    /// Where the next line begins, in bytes.
    pub offset: u64,
}

impl Lines {
    /// The lines from `offset` on, of which none may have more than `max` bytes.
    pub fn open(path: &Path, offset: u64, max: usize) -> Result<Lines> {
        let open = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        };
        let file = open().map_err(|error| at(path, &error))?;
        Ok(Lines {
            path: path.to_owned(),
            file: BufReader::new(file),
            max,
            offset,
        })
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Line>> {
        let line = self.read().map_err(|error| at(&self.path, &error))?;
        Ok(line)
    }

    fn read(&mut self) -> std::io::Result<Option<Line>> {
        let (mut text, mut fits) = (Vec::new(), true);
        loop {
            let chunk = self.file.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            if taken == 0 && text.is_empty() && fits {
                return Ok(None);
            }
            fits &= text.len() + end.unwrap_or(taken) <= self.max;
            if fits {
                text.extend_from_slice(&chunk[..end.unwrap_or(taken)]);
            } else {
                text = Vec::new();
            }
            self.file.consume(taken);
            self.offset += taken as u64;
            if end.is_some() || taken == 0 {
                return Ok(Some(if fits {
                    Line::Text(text)
                } else {
                    Line::TooLong
                }));
            }
        }
    }
}

/// The length of a file in bytes and SHA-256 of it, in hexadecimal.
pub fn fingerprint(path: &Path) -> Result<(u64, String)> {
    let read = || {
        let mut file = File::open(path)?;
        let (mut hash, mut length) = (Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            hash.update(&chunk[..read]);
            length += read as u64;
        }
        let digest = hash.finalize();
        let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((length, hex.concat()))
    };
    read().map_err(|error| at(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_offsets_and_one_that_is_too_long_is_passed_over() {
        let path = std::env::temp_dir().join(format!("tidings-lines-{}", std::process::id()));
        let long = "x".repeat(20_000);
        std::fs::write(&path, format!("ab\n\n{long}\nabc\nabcd\nz")).unwrap();
        let text = |text: &str| Line::Text(text.as_bytes().to_vec());
        let expected = [
            (text("ab"), 3),
            (text(""), 4),
            (Line::TooLong, 20_005),
            (text("abc"), 20_009),
            (Line::TooLong, 20_014),
            (text("z"), 20_015),
        ];
        let mut lines = Lines::open(&path, 0, 3).unwrap();
        for (line, offset) in expected {
            assert_eq!(lines.next().unwrap(), Some(line));
            assert_eq!(lines.offset, offset);
        }
        assert_eq!(lines.next().unwrap(), None);
        let mut rest = Lines::open(&path, 20_009, 9).unwrap();
        assert_eq!(rest.next().unwrap(), Some(text("abcd")));
        assert_eq!(fingerprint(&path).unwrap().0, 20_015);
        std::fs::remove_file(&path).unwrap();
    }
}
