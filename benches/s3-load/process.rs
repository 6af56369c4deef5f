//! What the kernel says about the server's processes.

/// User and system time of the processes, from the kernel's hundredths of a second.
pub fn cpu_s(pids: &[u32]) -> f64 {
    let of = |pid: &u32| -> Option<f64> {
        let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
    };
    pids.iter().filter_map(of).sum()
}

pub fn memory_mib(pids: &[u32]) -> u64 {
    let of = |pid: &u32| -> Option<u64> {
        let text = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    pids.iter().filter_map(of).sum::<u64>() / 1024
}
