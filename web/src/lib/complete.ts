// Completion of MLflow's filter syntax: what may stand where the caret is. Pure, so easy to reason about.
import { quoteKey } from "./fields";

/** A name one may filter by, the operators it takes, and values seen so far. */
export interface Name { name: string; ops: string[]; values?: () => string[] }
export interface Completion { from: number; options: string[] }

export const NUMERIC = [">", ">=", "<", "<=", "=", "!="];
export const TEXT = ["=", "!=", "LIKE", "ILIKE"];
export const LISTED = [...TEXT, "IN", "NOT IN"];
export const NULLABLE = [...TEXT, "IS NULL", "IS NOT NULL"];

export const keyed = (entity: string, key: string) => `${entity}.${quoteKey(key)}`;

const NAME = /[A-Za-z_]\w*(?:\.(?:`[^`]*`?|"[^"]*"?|[^\s<>=!'"`]*))?/y;
const OPERATOR = /<=|>=|!=|[=<>!]|NOT\s+IN\b|IS\s+NOT\s+NULL\b|IS\s+NULL\b|NOT\s+I?L?I?K?E?|IS\s+N\w*|[A-Za-z]+/iy;
const VALUE = /'[^']*'?|"[^"]*"?|\([^)]*\)?|[^\s]+/y;
const WORD = /\S+/y;
const MOST = 12;

type Stage = "name" | "operator" | "value" | "and";
const PATTERNS: Record<Stage, RegExp> = { name: NAME, operator: OPERATOR, value: VALUE, and: WORD };

/** Whether a token that ends at the caret may still grow, and so is what is being completed. */
const closed = (stage: Stage, token: string) =>
  stage === "value" ? /^'[^']*'$|^"[^"]*"$|^\(.*\)$/.test(token) : stage === "operator" && /^(=|!=|<=|>=|LIKE|ILIKE|NOT\s+IN|IS\s+(NOT\s+)?NULL)$/i.test(token);

export function complete(text: string, caret: number, names: Name[]): Completion {
  let [at, stage, field] = [0, "name" as Stage, undefined as Name | undefined];
  for (;;) {
    while (at < caret && /\s/.test(text[at] ?? "")) at++;
    if (at >= caret) return offer(stage, caret, "", field, names);
    const pattern = PATTERNS[stage];
    pattern.lastIndex = at;
    const token = pattern.exec(text.slice(0, caret))?.[0];
    if (token === undefined) return { from: caret, options: [] };
    const end = at + token.length;
    if (end === caret && !closed(stage, token)) return offer(stage, at, token, field, names);
    if (stage === "name") field = names.find((one) => one.name === token) ?? { name: token, ops: TEXT };
    stage = stage === "name" ? "operator" : stage === "operator" ? (/NULL$/i.test(token) ? "and" : "value") : stage === "value" ? "and" : "name";
    at = end;
  }
}

function offer(stage: Stage, from: number, token: string, field: Name | undefined, names: Name[]): Completion {
  const all = stage === "name" ? names.map((one) => one.name) : stage === "operator" ? field?.ops ?? [] : stage === "and" ? ["AND"] : valuesOf(field);
  const plain = (one: string) => one.toLowerCase().replace(/[`'"]/g, "");
  const typed = plain(token);
  const fits = all.filter((one) => plain(one).includes(typed) && one !== token);
  const first = fits.filter((one) => plain(one).startsWith(typed));
  return { from, options: [...first, ...fits.filter((one) => !first.includes(one))].slice(0, MOST) };
}

const valuesOf = (field: Name | undefined) => (field?.values?.() ?? []).map((value) => `'${value.replace(/'/g, "''")}'`);
