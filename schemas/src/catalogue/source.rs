//! Reads the data files.
use super::{Catalogue, CatalogueError};
pub(super) fn built_in() -> Result<Catalogue, CatalogueError> {
    todo!()
}
