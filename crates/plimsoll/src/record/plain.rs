//! How places and bytes are written: as people write places, and as whole numbers.

pub(super) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Bytes;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(bytes.get())
    }

    pub(in super::super) fn deserialize<'t, D: Deserializer<'t>>(from: D) -> Result<Bytes, D::Error> {
        u64::deserialize(from).map(Bytes::new)
    }
}

pub(super) mod place {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Place;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(place)
    }

    pub(in super::super) fn deserialize<'t, D: Deserializer<'t>>(from: D) -> Result<Place, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
