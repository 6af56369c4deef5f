// A look into a file without downloading it: text, JSON, tables and pictures, up to a size.
import { send } from "../lib/api";
import { bytes } from "../lib/format";
import { useLoad } from "../lib/use";
import { Empty, Problem, Skeleton } from "./basics";
import { Icon } from "./icon";

const LIMIT = 512 * 1024;
const IMAGES = /\.(png|jpe?g|gif|webp|bmp)$/i;
const TEXTS = /(\.(txt|log|md|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|py|rs|sh|sql|html?|xml|js|ts|css|r|ipynb|env|lock)|MLmodel|Dockerfile|Makefile|requirements|README|LICENSE)$/i;

export interface FileRef { name: string; size: number; url: string; inlineUrl?: string }

export function Preview({ file }: { file: FileRef }) {
  return (
    <div class="preview">
      <header class="preview-head">
        <span class="preview-name"><Icon name="file" />{file.name}<span class="muted">{bytes(file.size)}</span></span>
        <a class="btn small" href={file.url} download={file.name.split("/").pop()}><Icon name="down" />Download</a>
      </header>
      <Body file={file} key={file.url} />
    </div>
  );
}

function Body({ file }: { file: FileRef }) {
  if (IMAGES.test(file.name)) return <div class="preview-image"><img src={file.inlineUrl ?? file.url} alt={file.name} /></div>;
  if (!TEXTS.test(file.name)) return <Empty kind="none" icon="file" title="No preview for this kind of file">Download it to look inside.</Empty>;
  return <Text file={file} />;
}

function Text({ file }: { file: FileRef }) {
  const body = useLoad(() => firstBytes(file.url), [file.url]);
  if (body.error) return <Problem error={body.error} retry={body.reload} />;
  if (body.data === undefined) return <div class="card-body"><Skeleton rows={6} /></div>;
  const cut = file.size > LIMIT;
  return (
    <>
      {cut && <p class="note">The first {bytes(LIMIT)} of {bytes(file.size)}.</p>}
      {/\.(csv|tsv)$/i.test(file.name) ? <Csv text={body.data} tab={/\.tsv$/i.test(file.name)} /> : <pre class="preview-text" tabIndex={0}>{pretty(file.name, body.data)}</pre>}
    </>
  );
}

/** Reads at most LIMIT bytes, then lets the rest of the stream go. */
async function firstBytes(url: string): Promise<string> {
  const stop = new AbortController();
  const response = await send(url, { signal: stop.signal });
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  let read = 0;
  while (read < LIMIT) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    const part = value.subarray(0, LIMIT - read);
    read += part.length;
    text += decoder.decode(part, { stream: true });
  }
  stop.abort();
  return text;
}

function pretty(name: string, text: string): string {
  if (!/\.(json|ipynb)$/i.test(name)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Csv({ text, tab }: { text: string; tab: boolean }) {
  const rows = parseCsv(text, tab ? "\t" : ",", 201);
  const [head, ...body] = rows;
  if (!head) return <Empty kind="none" icon="file" title="This file is empty" />;
  return (
    <div class="table-wrap csv" tabIndex={0} role="region" aria-label="Table preview">
      <table>
        <thead><tr>{head.map((name, i) => <th key={i} scope="col">{name}</th>)}</tr></thead>
        <tbody>{body.slice(0, 200).map((row, i) => <tr key={i}>{head.map((_, c) => <td key={c}>{row[c] ?? ""}</td>)}</tr>)}</tbody>
      </table>
      <p class="note">{body.length >= 200 ? "The first 200 rows." : `${body.length} rows.`}</p>
    </div>
  );
}

export function parseCsv(text: string, separator: string, most: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === separator) { row.push(cell); cell = ""; }
    else if (c === "\n") { row.push(cell.replace(/\r$/, "")); rows.push(row); row = []; cell = ""; }
    else cell += c;
  }
  if (cell || row.length) rows.push([...row, cell]);
  return rows;
}
