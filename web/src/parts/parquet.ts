// Reading Parquet in the browser: the footer and the first rows, by ranges of the file. Loaded when first needed.
import { gunzipSync } from "fflate";
import { decompress } from "fzstd";
import { asyncBufferFromUrl, parquetMetadataAsync, parquetReadObjects, parquetSchema, type Compressors } from "hyparquet";

export interface Frame { columns: { name: string; type: string }[]; rows: string[][]; why?: string; total: number; groups: number; by: string; codec: string }

const COMPRESSORS: Compressors = { GZIP: (input) => gunzipSync(input), ZSTD: (input) => decompress(input) };
export const ROWS = 100;

export async function readParquet(url: string, size: number): Promise<Frame> {
  const file = await asyncBufferFromUrl({ url, byteLength: size });
  const metadata = await parquetMetadataAsync(file);
  const total = Number(metadata.num_rows);
  const columns = parquetSchema(metadata).children.map(({ element }) => ({ name: element.name, type: typeOf(element) }));
  const codec = metadata.row_groups[0]?.columns[0]?.meta_data?.codec ?? "";
  const frame = { columns, rows: [], total, groups: metadata.row_groups.length, by: metadata.created_by ?? "", codec: codec.toLowerCase() };
  if (total === 0) return frame;
  try {
    const rows = await parquetReadObjects({ file, metadata, rowStart: 0, rowEnd: Math.min(ROWS, total), compressors: COMPRESSORS });
    return { ...frame, rows: rows.map((row) => columns.map(({ name }) => shown(row[name]))) };
  } catch (error) {
    // The schema is worth showing even where the rows are packed in a way not known here.
    return { ...frame, why: error instanceof Error ? error.message : String(error) };
  }
}

function typeOf(element: { type?: string; logical_type?: { type: string }; converted_type?: string; repetition_type?: string; num_children?: number }): string {
  const type = element.logical_type?.type ?? element.converted_type ?? element.type ?? (element.num_children ? "group" : "");
  return `${type.toLowerCase()}${element.repetition_type === "REQUIRED" ? "" : "?"}`;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString().replace(".000Z", "Z");
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? Number(inner) : inner));
}
