// A look into a file without downloading it: text, JSON, CSV, Parquet and pictures, up to a size.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { send } from "../lib/api";
import { bytes, plural } from "../lib/format";
import { useLoad } from "../lib/use";
import { Empty, Problem, Skeleton } from "./basics";
import { Icon } from "./icon";
import { Markdown } from "./markdown";

const LIMIT = 64 * 1024;
const PARQUET = /\.(parquet|pq)$/i;
const IMAGES = /\.(png|jpe?g|gif|webp|bmp)$/i;
const TEXTS = /(\.(txt|log|md|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|py|rs|sh|sql|html?|xml|js|ts|css|r|ipynb|env|lock)|MLmodel|Dockerfile|Makefile|requirements|README|LICENSE)$/i;

export interface FileRef { name: string; size: number; url: string; inlineUrl?: string; type?: string | null }

export function Preview({ file }: { file: FileRef }) {
  return (
    <div class="preview">
      <header class="preview-head">
        <span class="preview-name"><Icon name="file" />{file.name}<span class="muted">{bytes(file.size)}</span></span>
        <a class="btn small" href={file.url} download={file.name.split("/").pop()}><Icon name="down" />Download</a>
      </header>
      <PreviewBody file={file} key={file.url} />
    </div>
  );
}

/** What a file is: by its name first, for clients rarely say its type. */
function kindOf({ name, type }: FileRef): "image" | "parquet" | "text" | "unknown" {
  if (IMAGES.test(name)) return "image";
  if (PARQUET.test(name)) return "parquet";
  if (TEXTS.test(name)) return "text";
  if (type?.startsWith("image/") && !type.includes("svg")) return "image";
  return type && /^(text\/|application\/(json|xml|yaml|toml|x-ndjson))/.test(type) ? "text" : "unknown";
}

export function PreviewBody({ file }: { file: FileRef }) {
  const [anyway, setAnyway] = useState(false);
  const kind = kindOf(file);
  if (file.size === 0) return <Empty kind="none" icon="file" title="This file is empty" />;
  if (kind === "image") return <div class="preview-image"><img src={file.inlineUrl ?? file.url} alt={file.name} /></div>;
  if (kind === "parquet") return <Parquet file={file} />;
  if (kind === "text" || anyway) return <Text file={file} />;
  return <Empty kind="none" icon="file" title="No preview for this kind of file"><p>Download it to look inside, or:</p><button type="button" class="btn" onClick={() => setAnyway(true)}>Show the beginning as text</button></Empty>;
}

function Parquet({ file }: { file: FileRef }) {
  const found = useLoad(async () => (await import("./parquet")).readParquet(file.url, file.size), [file.url]);
  if (found.error) return <Empty kind="none" icon="warn" title="This file cannot be read as Parquet"><p>{found.error.message}</p></Empty>;
  const frame = found.data;
  if (!frame) return <div class="card-body"><Skeleton rows={6} /></div>;
  return (
    <>
      <p class="note">{plural(frame.total, "row")}, {plural(frame.columns.length, "column")}, {plural(frame.groups, "row group")}{frame.codec && `, ${frame.codec}`}. <span title="Written by">{frame.by}</span></p>
      <Rows head={frame.columns.map((column) => <>{column.name}<small>{column.type}</small></>)} rows={frame.rows} />
      {frame.why ? <p class="note">Its rows cannot be shown here: {frame.why}.</p> : frame.total > frame.rows.length && <p class="note">The first {frame.rows.length} rows.</p>}
    </>
  );
}

function Text({ file }: { file: FileRef }) {
  const body = useLoad(() => firstBytes(file.url), [file.url]);
  if (body.error) return <Problem error={body.error} retry={body.reload} />;
  if (body.data === undefined) return <div class="card-body"><Skeleton rows={6} /></div>;
  const cut = file.size > LIMIT;
  return (
    <>
      {cut && <p class="note">The first {bytes(LIMIT)} of {bytes(file.size)}.</p>}
      {/\.(md|markdown)$/i.test(file.name) ? <div class="preview-page"><Markdown text={body.data} /></div> : /\.(csv|tsv)$/i.test(file.name) ? <Csv text={body.data} tab={/\.tsv$/i.test(file.name)} /> : <pre class="preview-text" tabIndex={0}>{pretty(file, body.data)}</pre>}
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

function pretty({ name, type }: FileRef, text: string): string {
  if (!/\.(json|ipynb)$/i.test(name) && type !== "application/json") return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Csv({ text, tab }: { text: string; tab: boolean }) {
  const [head, ...body] = parseCsv(text, tab ? "\t" : ",", 201);
  if (!head) return <Empty kind="none" icon="file" title="This file is empty" />;
  return (
    <>
      <Rows head={head} rows={body.slice(0, 200).map((row) => head.map((_, c) => row[c] ?? ""))} />
      <p class="note">{body.length >= 200 ? "The first 200 rows." : plural(body.length, "row")}</p>
    </>
  );
}

function Rows({ head, rows }: { head: ComponentChildren[]; rows: string[][] }) {
  return (
    <div class="table-wrap csv" tabIndex={0} role="region" aria-label="Table preview">
      <table>
        <thead><tr>{head.map((name, i) => <th key={i} scope="col">{name}</th>)}</tr></thead>
        <tbody>{rows.map((row, i) => <tr key={i}>{row.map((cell, c) => <td key={c} title={cell.length > 60 ? cell : undefined}>{cell}</td>)}</tr>)}</tbody>
      </table>
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
