//! The wall around tract: its errors in a caller's words, its panics as errors, without a word of them on
//! standard error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use tract_onnx::prelude::TractResult;

use super::ceiling;
use crate::kernel::error::{Error, Result};

/// Runs tract's code. `what` begins the sentence an error becomes: "The model cannot be served".
///
/// The state behind `work` is safe to use after a panic: plans are immutable and every run has its
/// own scratch.
pub fn run<T>(what: &str, work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    match quietly(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let mut failure = Error::invalid(format!("{what}: {}.", reason(&error)));
            failure.cause = Some(format!("{error:#}").into());
            Err(failure)
        }
        Err(panic) => {
            let mut failure = Error::invalid(format!(
                "{what}: the inference engine gave up on it. Check the file with onnx.checker and onnxruntime."
            ));
            failure.cause = Some(panic_text(panic.as_ref()).into());
            Err(failure)
        }
    }
}

thread_local! {
    /// Whether a panic of this thread will be caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Catches a panic before it is printed: the log gets it with the error, where the model is known.
fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                loud(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| ceiling::under(work)));
    CAUGHT.set(outer);
    outcome
}

/// The innermost message: the outer ones tell of tract's passes, which mean nothing to a caller.
fn reason(error: &tract_onnx::prelude::TractError) -> String {
    let mut text = error.root_cause().to_string();
    if let Some((first, _)) = text.split_once('\n') {
        text.truncate(first.len());
    }
    if text.len() > 400 {
        let cut = (0..=400).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text.trim_end_matches('.').to_owned()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}
