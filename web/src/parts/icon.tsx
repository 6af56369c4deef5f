// The icon set: small strokes on a 16-unit grid, coloured by the text around them.

const PATHS = {
  home: "M2.5 7.5 8 3l5.5 4.5V13h-4V9.5h-3V13h-4z",
  flask: "M6 2.5h4M6.8 2.5v4L3 12.3c-.4.7 0 1.2.7 1.2h8.6c.7 0 1.1-.5.7-1.2L9.2 6.5v-4M4.6 10h6.8",
  cube: "M8 2 13.5 5v6L8 14l-5.5-3V5zM2.5 5 8 8l5.5-3M8 8v6",
  flow: "M2 5.5h4v-3H2zM10 5.5h4v-3h-4zM6 13.5h4v-3H6zM4 5.5V8h8V5.5M8 8v2.5",
  bolt: "M8.8 1.8 3.5 9H8l-.8 5.2L12.5 7H8z",
  data: "M2.5 4c0-1.1 2.5-2 5.5-2s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2zM2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2",
  gear: "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6 5 5M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4",
  book: "M8 4C6.7 2.9 4.7 2.5 2.5 2.5v10c2.2 0 4.2.4 5.5 1.5 1.3-1.1 3.3-1.5 5.5-1.5v-10C11.3 2.5 9.3 2.9 8 4zM8 4v10",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3 13.5 13.5",
  check: "M3.5 8.5 6.5 11.5 12.5 4.5",
  cross: "M4 4l8 8M12 4l-8 8",
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.4",
  slash: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 11.8l7.6-7.6",
  warn: "M8 2.5 14 13H2zM8 6.5v3M8 11.2v.1",
  arc: "M8 2.5A5.5 5.5 0 1 1 2.5 8",
  skip: "M4 4l5 4-5 4zM11.5 4v8",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M4.5 3 12.5 8l-8 5z",
  stop: "M4 4h8v8H4z",
  code: "M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  trash: "M3 4.5h10M6 4.5v-2h4v2M4.2 4.5l.6 9h6.4l.6-9M6.7 7v4M9.3 7v4",
  edit: "M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.5 4.3l2.2 2.2",
  plus: "M8 3v10M3 8h10",
  down: "M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10",
  up: "M8 11V3M4.5 6 8 2.5 11.5 6M3 13.5h10",
  folder: "M2 4.5v8.5h12V5.5H8L6.5 3.5H2z",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  chevron: "M6 3.5 10.5 8 6 12.5",
  sort: "M5 3v10M2.5 10.5 5 13l2.5-2.5M11 13V3M8.5 5.5 11 3l2.5 2.5",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z",
  half: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  out: "M6 2.5H3v11h3M7 8h6.5M10.5 5l3 3-3 3",
  user: "M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM2.8 13.5c.5-2.4 2.6-3.7 5.2-3.7s4.7 1.3 5.2 3.7",
  key: "M5.5 7.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM7.7 8.3 13 3M11 5l2 2",
  tag: "M2.5 2.5H8l5.5 5.5L8 13.5 2.5 8zM5.3 5.3v.1",
  chart: "M2.5 2.5v11h11M4.5 10.5l3-3.5 2.5 2 3.5-4.5",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  link: "M6.5 9.5l3-3M7.2 4.8l1.3-1.3a2.9 2.9 0 0 1 4 4l-1.3 1.3M8.8 11.2l-1.3 1.3a2.9 2.9 0 0 1-4-4l1.3-1.3",
  lock: "M3.5 7.5h9v6h-9zM5.5 7.5V5.3a2.5 2.5 0 0 1 5 0v2.2M8 10v1.3",
  undo: "M5.5 3 2.5 6l3 3M2.5 6h6.7a4 4 0 0 1 0 8H5",
  layers: "M8 2 14 5.2 8 8.4 2 5.2zM2.5 8.2 8 11.1l5.5-2.9M2.5 11 8 13.9 13.5 11",
  dot: "M8 7.5v1",
  help: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM6.3 6.5c.1-1 .8-1.6 1.7-1.6 1 0 1.7.6 1.7 1.5 0 1.2-1.7 1.3-1.7 2.4M8 10.9v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16, class: cls = "" }: { name: IconName; size?: number; class?: string }) {
  return (
    <svg class={`icon ${cls}`} width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The house on its platform. */
export function Brand() {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true" class="brand-mark">
      <rect width="32" height="32" rx="7" class="b0" />
      <path d="M16 5 6.5 14.5h19z" class="b1" />
      <path d="M9.5 14.5h13v4h-13z" class="b2" />
      <path d="M5 18.5h22v2H5zM9 20.5h2v5H9zm6 0h2v5h-2zm6 0h2v5h-2z" class="b1" />
      <path d="M3 25.2q3.2-1.8 6.5 0t6.5 0 6.5 0 6.5 0" class="b3" />
    </svg>
  );
}
