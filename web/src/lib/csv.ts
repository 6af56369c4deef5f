// A table as a CSV file, made and saved in the browser.

const cell = (value: string | number | undefined) => {
  const text = value === undefined ? "" : String(value);
  // A spreadsheet takes text that begins like this for a formula.
  const plain = typeof value === "string" && /^[=+@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
};

export const csv = (rows: (string | number | undefined)[][]) => rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

export function save(name: string, text: string, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
