//! Weights from and to safetensors.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use half::{bf16, f16};
use plimsoll::EngineAccount;

use super::header::{self, HEADER_BYTES, HEADER_MOST, Header, Kind, Tensor, understand};
use super::site::charge;
use super::{NeuralCodec, NeuralError, Weights};

/// Bytes of a file that are read at once.
const PART: usize = 64 << 10;

impl Weights {
    /// Reads a safetensors file with an `encoder` (latent × dimension), a `decoder` (dimension × latent) and perhaps a
    /// `mean`, each of F32, F16 or BF16. What that takes is charged to the account, and stays charged.
    pub fn read(path: &Path, account: &EngineAccount) -> Result<Self, NeuralError> {
        let failed = |source| NeuralError::File { path: path.to_owned(), source };
        let wrong = |why| NeuralError::NoCodec { path: path.to_owned(), why };
        let passing = charge(account, HEADER_BYTES + PART as u64)?;
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let (Header { shape, encoder, decoder, mean, mut facts }, start) =
            head(&mut file, length).map_err(failed)?.map_err(wrong)?;
        let paid = charge(account, shape.weight_bytes())?;
        let mut read = |tensor: Tensor| numbers(&mut file, start, &tensor).map_err(failed);
        let (encoder, decoder) = (read(encoder)?, read(decoder)?);
        let mean = mean.map_or_else(|| Ok(vec![0.0; shape.dimension]), &mut read)?;
        drop(passing);
        let mut weights = Self::new(shape, encoder, decoder, mean)?.paid(paid);
        // They follow from the tensors.
        facts.remove("dimension");
        facts.remove("latent");
        for (name, value) in facts {
            weights = weights.fact(&name, &value);
        }
        Ok(weights)
    }

    /// Writes a safetensors file, which is there as a whole or not at all. One that is there already is replaced only if
    /// `replace` says so.
    pub fn write(&self, path: &Path, replace: bool) -> Result<(), NeuralError> {
        let failed = |source| NeuralError::File { path: path.to_owned(), source };
        if !replace && path.exists() {
            return Err(NeuralError::Exists { path: path.to_owned() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let written = self.write_to(&part).and_then(|()| fs::rename(&part, path));
        written.map_err(|error| {
            // What is half written is of no use.
            let _ = fs::remove_file(&part);
            failed(error)
        })
    }

    fn write_to(&self, part: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(PART, File::create(part)?);
        let text = header::text(self.shape(), self.facts());
        file.write_all(&(text.len() as u64).to_le_bytes())?;
        file.write_all(text.as_bytes())?;
        for numbers in [self.encoder(), self.decoder(), self.mean()] {
            numbers.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl NeuralCodec {
    /// Reads a file of weights and makes a codec of it, charged to the account.
    pub fn load(path: &Path, account: &EngineAccount) -> Result<Self, NeuralError> {
        Self::new(&Weights::read(path, account)?, account)
    }
}

/// The header, and where numbers begin.
fn head(file: &mut File, length: u64) -> io::Result<Result<(Header, u64), String>> {
    let mut bytes = [0; 8];
    if length < 8 {
        return Ok(Err(format!("it has {length} bytes, and a safetensors file begins with eight")));
    }
    file.read_exact(&mut bytes)?;
    let said = u64::from_le_bytes(bytes);
    let Some(room) = (length - 8).checked_sub(said).filter(|_| said <= HEADER_MOST) else {
        return Ok(Err(format!(
            "it says that its header has {said} bytes; a codec's has at most {HEADER_MOST}, and the file {length}"
        )));
    };
    let mut text = vec![0; usize::try_from(said).unwrap_or_default()];
    file.read_exact(&mut text)?;
    Ok(understand(&text, room).map(|header| (header, 8 + said)))
}

/// The numbers of a tensor, as singles.
fn numbers(file: &mut File, start: u64, tensor: &Tensor) -> io::Result<Vec<f32>> {
    let count = (tensor.bytes.end - tensor.bytes.start) / tensor.kind.bytes();
    let mut numbers = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    file.seek(SeekFrom::Start(start + tensor.bytes.start))?;
    let mut left = tensor.bytes.end - tensor.bytes.start;
    let mut bytes = vec![0; PART];
    while left > 0 {
        let part = usize::try_from(left).map_or(PART, |left| left.min(PART));
        let part = &mut bytes[..part];
        file.read_exact(part)?;
        match tensor.kind {
            Kind::F32 => numbers.extend(part.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four))),
            Kind::F16 => {
                numbers.extend(part.as_chunks().0.iter().map(|two| f16::from_le_bytes(*two).to_f32()));
            }
            Kind::Bf16 => {
                numbers.extend(part.as_chunks().0.iter().map(|two| bf16::from_le_bytes(*two).to_f32()));
            }
        }
        left -= part.len() as u64;
    }
    Ok(numbers)
}
