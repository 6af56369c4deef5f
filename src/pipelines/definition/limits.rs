//! What a task's processes may use: memory, CPU time, and a share of the CPUs.

use super::{Problem, duration, yaml};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::time::Duration;

/// Less than this no interpreter starts with.
const LEAST_MEMORY: u64 = 16 << 20;

/// The kernel's limits; what a command gets beyond is an error or its end. Where the task has a control group,
/// memory is that of all its processes together, else of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of data: heap, stacks of threads and other private memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Seconds of computing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<u64>,
    /// Thousandths of a CPU, of all processes together; held only by a control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus_milli: Option<u64>,
}

pub(super) fn check(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> Limits {
    let mut value = |key: &str,
                     given: &Option<Spanned<yaml::Scalar>>,
                     read: fn(&str) -> Result<u64, String>| {
        let given = given.as_ref()?;
        let read = read(given.value.0.as_deref().unwrap_or_default());
        let refused = |why| yaml::problem(format!("task {:?}: {key} {why}", task.id.value), given.referenced);
        read.map_err(|why| problems.push(refused(why))).ok()
    };
    Limits {
        memory: value("memory", &task.memory, size),
        cpu_s: value("cpu_time", &task.cpu_time, seconds),
        cpus_milli: value("cpus", &task.cpus, share),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    match duration::parse(text)? {
        time if time < Duration::from_secs(1) => Err("must be 1s or more".to_owned()),
        time => Ok(time.as_secs()),
    }
}

/// Thousandths, of a number of CPUs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 10 and 10^6 by then"
)]
fn share(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if (0.01..=1024.0).contains(&cpus) => Ok((cpus * 1000.0).round() as u64),
        _ => Err(format!("{text:?} is not a number of CPUs; write it like 0.5 or 2")),
    }
}

fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size; write it like 512MiB or 4GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let shift = match text[digits..].trim() {
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        "TiB" | "T" => 40,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    match count.checked_mul(1 << shift).ok_or_else(wrong)? {
        bytes if bytes < LEAST_MEMORY => Err("must be 16MiB or more".to_owned()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::{seconds, share, size};

    #[test]
    fn sizes_and_times_are_read_or_refused_in_words() {
        assert_eq!((size("512MiB"), size("4 GiB"), size("1G")), (Ok(512 << 20), Ok(4 << 30), Ok(1 << 30)));
        for (text, why) in [
            ("512", "is not a size"),
            ("", "is not a size"),
            ("1MiB", "16MiB or more"),
            ("99999999999TiB", "is not a size"),
            ("2GB", "is not a size"),
        ] {
            assert!(size(text).is_err_and(|said| said.contains(why)), "{text}");
        }
        assert_eq!((share("0.5"), share("2")), (Ok(500), Ok(2000)));
        for text in ["0", "-1", "inf", "NaN", "two", "9999"] {
            assert!(share(text).is_err_and(|said| said.contains("number of CPUs")), "{text}");
        }
        assert_eq!(seconds("2m"), Ok(120));
        assert!(seconds("10ms").is_err() && seconds("soon").is_err());
    }
}
