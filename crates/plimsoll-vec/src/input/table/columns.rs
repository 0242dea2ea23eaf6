//! Which columns of a table are vectors and ids.

use arrow_schema::{DataType, Schema};

use crate::input::{InputError, Origin};

/// What vectors are called where nobody says, as in lines of JSON.
const NAMES: [&str; 3] = ["vector", "embedding", "values"];

/// The columns that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) vector: usize,
    pub(super) id: Option<usize>,
    /// How many numbers a vector has, where the type says it.
    pub(super) fixed: Option<u64>,
}

impl Chosen {
    /// The columns in the order of the table.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = [Some(self.vector), self.id].into_iter().flatten().collect();
        all.sort_unstable();
        all
    }

    /// Where vectors and ids are among only these columns.
    pub(super) fn places(&self) -> (usize, Option<usize>) {
        (
            usize::from(self.id.is_some_and(|id| id < self.vector)),
            self.id.map(|id| usize::from(id > self.vector)),
        )
    }
}

/// What an origin means of these columns.
pub(super) fn choose(name: &str, schema: &Schema, origin: &Origin<'_>) -> Result<Chosen, InputError> {
    let fields = schema.fields();
    let wrong = |why: String| {
        let columns: Vec<String> =
            fields.iter().map(|field| format!("{} ({})", field.name(), field.data_type())).collect();
        InputError::Columns { name: name.to_owned(), why, columns: columns.join(", ") }
    };
    let find = |wanted: &str| fields.iter().position(|field| field.name() == wanted);
    let vector = if let Some(wanted) = origin.vector {
        let at = find(wanted).ok_or_else(|| wrong(format!("has no column {wanted:?}")))?;
        if !is_vectors(fields[at].data_type()) {
            return Err(wrong(format!("has a column {wanted:?} that is no list of numbers")));
        }
        at
    } else {
        let lists: Vec<usize> = (0..fields.len()).filter(|at| is_vectors(fields[*at].data_type())).collect();
        let known = NAMES.into_iter().filter_map(find).find(|at| lists.contains(at));
        match (lists.as_slice(), known) {
            ([], _) => return Err(wrong("has no column of lists of numbers".to_owned())),
            ([only], _) => *only,
            (_, Some(known)) => known,
            _ => return Err(wrong("has several columns that may be the vectors".to_owned())),
        }
    };
    let id = match origin.id {
        Some(wanted) => {
            let at = find(wanted).ok_or_else(|| wrong(format!("has no column {wanted:?}")))?;
            if !fields[at].data_type().is_integer() {
                return Err(wrong(format!("has a column {wanted:?} whose entries are no whole numbers")));
            }
            Some(at)
        }
        None => find("id").filter(|at| fields[*at].data_type().is_integer()),
    };
    let fixed = match fields[vector].data_type() {
        DataType::FixedSizeList(_, size) => Some(u64::try_from(*size).unwrap_or_default()),
        _ => None,
    };
    Ok(Chosen { vector, id, fixed })
}

fn is_vectors(kind: &DataType) -> bool {
    match kind {
        DataType::FixedSizeList(of, _) | DataType::List(of) | DataType::LargeList(of) => {
            of.data_type().is_integer() || of.data_type().is_floating()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow_schema::Field;

    use super::*;

    fn lists(name: &str) -> Field {
        Field::new_list(name, Field::new_list_field(DataType::Float32, true), true)
    }

    #[test]
    fn what_is_meant_is_found_and_what_is_not_is_said_with_what_there_is() {
        let origin = |vector, id| Origin { path: Path::new("a"), vector, id };
        let ids = Field::new("id", DataType::Int64, false);
        let text = Field::new("text", DataType::Utf8, true);
        let one = Schema::new(vec![text.clone(), lists("x"), ids.clone()]);
        let two = Schema::new(vec![ids, lists("y"), lists("embedding"), text]);
        let choose = |schema, origin| choose("a", schema, &origin);
        let found = choose(&one, origin(None, None)).unwrap();
        assert_eq!((found.all(), found.places()), (vec![1, 2], (0, Some(1))));
        let found = choose(&two, origin(None, None)).unwrap();
        assert_eq!((found.vector, found.all(), found.places()), (2, vec![0, 2], (1, Some(0))));
        assert_eq!(choose(&two, origin(Some("y"), None)).unwrap().vector, 1);
        for (schema, origin, said) in [
            (&one, origin(Some("nope"), None), "no column \"nope\""),
            (&one, origin(Some("text"), None), "no list of numbers"),
            (&one, origin(None, Some("text")), "no whole numbers"),
            (&Schema::new(vec![lists("y"), lists("z")]), origin(None, None), "several columns"),
            (&Schema::empty(), origin(None, None), "no column of lists"),
        ] {
            let error = choose(schema, origin).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(schema.fields().iter().all(|field| error.contains(field.name())), "{error}");
        }
    }
}
