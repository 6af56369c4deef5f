//! MLflow's search language: `a.b = 'x' AND metrics.m > 1`, `order_by` and page tokens, compiled to
//! SQL whose values are bound. `filter` knows the grammar, `sql` the comparisons, `keyset` and `page`
//! how a search is read in pages, `runs`, `experiments` and `models` what each kind of thing can be asked
//! about. The registry uses all but the last three for its own searches.

pub mod experiments;
pub mod filter;
pub mod keyset;
mod lexer;
pub mod models;
pub mod order;
pub mod page;
pub mod reach;
pub mod runs;
pub mod sql;

#[cfg(test)]
mod tests;

use crate::kernel::error::{Error, Result};

/// Rows per page when the caller names no number, and the most one page may have.
pub const PAGE_DEFAULT: i64 = 1000;
pub const PAGE_MAX: i64 = 50_000;

/// Checks a page size, in MLflow's words.
pub fn page_size(asked: Option<i64>, default: i64, most: i64) -> Result<usize> {
    let size = asked.unwrap_or(default);
    if size < 1 {
        return Err(Error::invalid(format!(
            "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    if size > most {
        return Err(Error::invalid(format!(
            "Invalid value {size} for parameter 'max_results' supplied. It must be at most {most}"
        )));
    }
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}
