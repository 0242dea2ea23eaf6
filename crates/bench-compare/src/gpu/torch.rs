//! PyTorch, through the Python that is there.

use std::process::Command;

use super::Row;

/// What one line of the script says.
#[derive(serde::Deserialize)]
struct Told {
    what: String,
    value: f64,
    unit: String,
}

/// Runs the script; without Python or PyTorch it says so and there are no rows.
pub fn measure(row: &mut dyn FnMut(Row)) {
    let run = Command::new("python3").args(["-c", include_str!("torch.py")]).output();
    let output = match run {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let why =
                String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason").to_owned();
            eprintln!("PyTorch was not measured: {why}");
            return;
        }
        Err(why) => {
            eprintln!("PyTorch was not measured: python3 did not start ({why})");
            return;
        }
    };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Ok(told) = serde_json::from_str::<Told>(line) {
            let unit = if told.unit == "ns" { "ns" } else { "GB/s" };
            row(Row { what: told.what, who: "PyTorch", value: told.value, unit });
        }
    }
}
