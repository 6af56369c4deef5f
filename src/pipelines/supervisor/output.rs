//! A command's output into its log, up to a limit; what is over it is read and thrown away, so
//! that the command never blocks on a full pipe.

use std::{io::PipeReader, os::fd::OwnedFd, path::PathBuf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe::Receiver,
};

/// Copies until the last writer has closed its end. A log that cannot be written (a full disk) is
/// given up, while the command goes on.
pub(super) async fn keep(reader: PipeReader, path: PathBuf, limit: u64) {
    if let Err(error) = copy(reader, path, limit).await {
        eprintln!("[crannog] the task's output could not be kept: {error}");
    }
}

async fn copy(reader: PipeReader, path: PathBuf, limit: u64) -> std::io::Result<()> {
    let mut reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut log = fs_err::tokio::OpenOptions::new().create(true).append(true).open(path).await.map(Some);
    let mut left = limit;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        let Ok(Some(file)) = &mut log else { continue };
        let keep = usize::try_from(left).unwrap_or(usize::MAX).min(read);
        let mut written = file.write_all(&buffer[..keep]).await;
        left -= keep as u64;
        if keep < read {
            let note =
                format!("\n[crannog] the log reached its limit of {limit} bytes; the rest was not kept\n");
            written = written.and(file.write_all(note.as_bytes()).await);
        }
        // tokio's file works in the background: without this a reader would lag behind by a buffer.
        written = written.and(file.flush().await);
        if written.is_err() || keep < read {
            log = written.map(|()| None);
        }
    }
    log.map(|_| ())
}
