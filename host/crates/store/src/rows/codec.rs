//! How rows are written: a version byte, then postcard.

use super::Table;
use crate::StoreError;
use serde::{Serialize, de::DeserializeOwned};

/// The version of every row that is written today.
const ROW_VERSION: u8 = 1;

/// The bytes of a row.
pub(crate) fn encode<T: Serialize + ?Sized>(row: &T) -> Vec<u8> {
    postcard::to_extend(row, vec![ROW_VERSION]).expect("rows are plain data, which postcard can always write")
}

/// The row that `bytes` hold.
///
/// # Errors
/// [`StoreError::Corrupt`]: they don't hold one.
pub(crate) fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { table: table.name(), why };
    match bytes.split_first() {
        None => Err(corrupt("it is empty".to_owned())),
        Some((&ROW_VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((row, [])) => Ok(row),
            Ok((_, rest)) => Err(corrupt(format!("{} bytes too many", rest.len()))),
            Err(error) => Err(corrupt(error.to_string())),
        },
        Some((version, _)) => {
            Err(corrupt(format!("its version is {version}, this program reads {ROW_VERSION}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_reads_what_was_written() {
        let row = (7_u64, "text".to_owned());
        let bytes = encode(&row);
        assert_eq!(decode::<(u64, String)>(Table::Meta, &bytes).unwrap(), row);
    }

    #[test]
    fn row_that_is_cut_too_long_empty_or_of_another_version_is_corrupt() {
        let bytes = encode(&(7_u64, "text"));
        let mut long = bytes.clone();
        long.push(0);
        let mut newer = bytes.clone();
        newer[0] = 2;
        for damaged in [&bytes[..bytes.len() - 1], &long, &newer, &[]] {
            let result = decode::<(u64, String)>(Table::Meta, damaged);
            assert!(matches!(result, Err(StoreError::Corrupt { table: "meta", .. })), "{result:?}");
        }
    }
}
