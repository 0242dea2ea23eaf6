//! Making images, in one short text.

use plimsoll::{Bytes, Place};

use super::{Image, Pipeline, Runtime, TextEncoders, Weights};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError, number};

const WHAT: &str = "making images";
const EXAMPLE: &str = "flux.1-dev,1024x1024,batch=1,weights=fp8,text=drop,tiling,on=cuda:0";
const KEYS: [&str; 15] = [
    "model",
    "size",
    "batch",
    "weights",
    "text",
    "text_weights",
    "offload",
    "vae",
    "tiling",
    "tile",
    "guidance",
    "attention",
    "runtime",
    "on",
    "width",
];
/// The longest side of an image.
const SIDE_MAX: u64 = 1 << 20;

impl Image {
    /// Reads `flux.1-dev,1024x1024,batch=1,weights=fp8,text=drop,tiling,on=cuda:0`.
    ///
    /// The model comes first (`sdxl`, `sd3.5-medium`, `sd3.5-large`, `flux.1-dev`, `flux.1-schnell`), then width ×
    /// height. `weights` and `text_weights` are types, `text` is what becomes of the text encoders (`keep`, `drop`,
    /// `host`), `offload=model` keeps only the part that works on the device; `vae` is the decoder's type, `tiling`
    /// decodes by tiles of `tile` pixels; `attention=written` is without fused attention; `runtime` is `torch` or
    /// `sdcpp`.
    pub fn parse(text: &str) -> Result<Self, WordingError> {
        let said = Wording::parse(WHAT, text, EXAMPLE)?;
        said.keys(&KEYS)?;
        let mut pipeline = said.text("model").map(pipeline).transpose()?;
        let mut size = said.text("size").map(sides).transpose()?;
        for word in said.words().filter(|word| !word.eq_ignore_ascii_case("tiling")) {
            let begins_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
            let twice = if begins_with_digit && word.contains(['x', '×']) {
                size.replace(sides(word)?).is_some()
            } else {
                pipeline.replace(self::pipeline(word)?).is_some()
            };
            if twice {
                return Err(WordingError::Twice(word.to_owned()));
            }
        }
        let pipeline = pipeline.ok_or_else(|| WordingError::Shape {
            what: WHAT,
            found: text.to_owned(),
            example: EXAMPLE,
        })?;
        let size = size.unwrap_or((1024, 1024));
        let runtimes = [
            ("torch", Runtime::Torch),
            ("diffusers", Runtime::Torch),
            ("sdcpp", Runtime::StableDiffusionCpp),
        ];
        let runtime = said.choice("runtime", &runtimes, Runtime::Torch)?;
        let image = Self {
            pipeline,
            sides: size,
            batch: said.number_or("batch", 1..=1 << 16, 1)?,
            weights: weights(&said, "weights")?,
            text_weights: weights(&said, "text_weights")?,
            text: said.choice("text", &ENCODERS, TextEncoders::Kept)?,
            offload: said.choice("offload", &[("none", false), ("no", false), ("model", true)], false)?,
            decoder_number_bytes: said.choice(
                "vae",
                &[("f32", 4), ("fp32", 4), ("f16", 2), ("fp16", 2), ("bf16", 2)],
                if pipeline.decodes_in_f32 { 4 } else { 2 },
            )?,
            tile: tile(&said)?,
            guided: said.flag("guidance", pipeline.guided)?,
            // stable-diffusion.cpp writes scores unless it is told otherwise.
            written_scores: said.choice(
                "attention",
                &[("fused", false), ("written", true)],
                runtime == Runtime::StableDiffusionCpp,
            )?,
            runtime,
            place: said.place("on")?.unwrap_or(Place::Host),
        };
        image.check()?;
        Ok(image)
    }

    fn check(&self) -> Result<(), WordingError> {
        let step = self.pipeline.step;
        for (key, side) in [("width", self.sides.0), ("height", self.sides.1)] {
            if side % step != 0 {
                let reason = "sides are multiples of 8, of SD 3.5 and FLUX.1 multiples of 16; round it";
                let (key, other) = (format!("{key}={side}"), self.pipeline.name.to_owned());
                return Err(WordingError::Conflict { key, other, reason });
            }
        }
        if self.offload && self.place == Place::Host {
            let (key, other) = ("offload=model".to_owned(), "on=host".to_owned());
            return Err(WordingError::Conflict {
                key,
                other,
                reason: "the host is where parts wait; say on=cuda:0",
            });
        }
        if self.phases().parts().iter().any(|part| part.bytes == Bytes::MAX) {
            return Err(WordingError::Overflow { what: WHAT, key: "size" });
        }
        Ok(())
    }
}

const ENCODERS: [(&str, TextEncoders); 4] = [
    ("keep", TextEncoders::Kept),
    ("drop", TextEncoders::Dropped),
    ("host", TextEncoders::OnHost),
    ("cpu", TextEncoders::OnHost),
];

fn pipeline(name: &str) -> Result<Pipeline, WordingError> {
    Pipeline::known(name).ok_or_else(|| WordingError::Unknown {
        found: name.to_owned(),
        known: Pipeline::all().map(|pipeline| pipeline.name).collect::<Vec<_>>().join(", "),
    })
}

/// `1024x768`: width, then height.
fn sides(text: &str) -> Result<(u64, u64), WordingError> {
    let shape =
        || WordingError::Shape { what: "an image's size", found: text.to_owned(), example: "1024x1024" };
    let (wide, high) = text.split_once(['x', '×']).ok_or_else(shape)?;
    Ok((number("width", wide, 8..=SIDE_MAX)?, number("height", high, 8..=SIDE_MAX)?))
}

fn weights(said: &Wording, key: &str) -> Result<Weights, WordingError> {
    said.text(key).map_or(Ok(Weights::Plain(TensorType::BF16)), Weights::parse)
}

/// Tiles are as large as the autoencoder was trained for, where nobody says.
fn tile(said: &Wording) -> Result<Option<u64>, WordingError> {
    let tile = said.number("tile", 64..=SIDE_MAX)?;
    Ok(if said.flag("tiling", tile.is_some())? { tile.or(Some(1024)) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Image {
        Image::parse(text).unwrap()
    }

    #[test]
    fn weights_are_parameters_times_their_type() {
        let gb = |text: &str, name: &str| {
            let phases = image(text).phases();
            let part = phases.parts().into_iter().find(|part| part.name == name).unwrap();
            part.bytes.ratio(Bytes::new(1_000_000_000))
        };
        assert!((gb("flux.1-dev", "denoiser") - 23.80).abs() < 0.01);
        assert!((gb("sd3.5-large", "denoiser") - 16.11).abs() < 0.01);
        assert!((gb("sdxl", "denoiser") - 5.13).abs() < 0.01);
        assert!((gb("flux", "T5-XXL") - 9.52).abs() < 0.01);
        assert!((gb("flux,weights=fp8", "denoiser") - 11.90).abs() < 0.01);
        assert!((gb("flux,weights=nf4", "denoiser") - 6.69).abs() < 0.01);
        assert!((gb("flux,weights=q8_0", "denoiser") - 12.65).abs() < 0.01);
    }

    #[test]
    fn parts_that_take_turns_need_less() {
        let peak = |text: &str| image(&format!("flux,on=cuda:0,{text}")).phases().peak(Place::Cuda(0));
        let (kept, dropped, offloaded) = (peak("text=keep"), peak("text=drop"), peak("offload=model"));
        assert!(kept > dropped && dropped > offloaded);
        assert!(offloaded > Bytes::new(23_800_000_000));
        let phases = image("flux,on=cuda:0,offload=model").phases();
        assert!(phases.peak(Place::Host) > Bytes::new(33_000_000_000));
        assert_eq!(phases.heaviest(Place::Cuda(0)).unwrap().name, "denoise");
        assert!(peak("text=host") < kept);
    }

    #[test]
    fn tiles_bound_what_decoding_needs() {
        let decoding = |text: &str| {
            let phases = image(text).phases();
            let part = phases.turns[2].parts.iter().find(|part| part.name == "decoding").unwrap();
            part.bytes
        };
        assert!(decoding("sdxl,4096x4096,tiling").ratio(decoding("sdxl,4096x4096")) < 0.25);
        assert_eq!(decoding("sdxl,1024x1024,runtime=sdcpp,attention=fused"), Bytes::mib(6656));
        assert!(decoding("sdxl,1024x1024,vae=f16") < decoding("sdxl,1024x1024"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refusals = [
            ("", "do not describe making images"),
            ("1024x1024", "does not describe making images"),
            ("sd9", "\"sd9\" is not known here; known are sdxl"),
            ("sdxl,flux", "\"flux\" is said twice"),
            ("sdxl,1024x0", "height = 0 is out of range"),
            ("sdxl,1000x1001", "height=1001 does not go with sdxl"),
            ("flux,1000x1000", "width=1000 does not go with flux.1-dev"),
            ("sdxl,weights=q9", "\"q9\" is not known here"),
            ("sdxl,offload=model", "offload=model does not go with on=host"),
            ("sdxl,1048576x1048576,batch=65536,attention=written", "would take more than 16 EiB"),
        ];
        for (text, says) in refusals {
            let error = Image::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
