const SHAPES = {
  edit: "M3 13h3l7-7-3-3-7 7zM8.5 4.5l3 3",
  delete: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5",
  search: "M7 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9ZM10.3 10.3 13.5 13.5",
  repeat:
    "M3 7.5V6.5a2 2 0 0 1 2-2h7.5M10.5 2.5l2 2-2 2M13 8.5v1a2 2 0 0 1-2 2H3.5M5.5 13.5l-2-2 2-2",
  reminder: "M4.5 11V7a3.5 3.5 0 0 1 7 0v4l1.5 1.5H3zM6.8 14.3h2.4",
  due: "M3 4.5h10V13H3zM3 7.5h10M5.5 3v2M10.5 3v2",
};

/** Its name stands beside it, for those who see it and those who do not. */
export function Icon({ of }: { of: keyof typeof SHAPES }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={SHAPES[of]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 16 16" aria-hidden="true">
      <rect width="16" height="16" rx="4.5" />
      <path d="m4.5 8.5 2.4 2.4 4.6-5.2" />
    </svg>
  );
}

/** One, two or three bars that are filled: a difference that needs no colour. */
export function PriorityIcon({ priority }: { priority: "low" | "medium" | "high" }) {
  const filled = { low: 1, medium: 2, high: 3 }[priority];
  return (
    <svg
      className={`priority ${priority}`}
      viewBox="0 0 16 16"
      role="img"
      aria-label={`${priority} priority`}
    >
      <title>{`${priority} priority`}</title>
      {[1, 2, 3].map((bar) => (
        <rect
          key={bar}
          className={bar <= filled ? "filled" : undefined}
          x={bar * 5 - 4.5}
          y={14 - bar * 4}
          width="4"
          height={bar * 4}
          rx="1"
        />
      ))}
    </svg>
  );
}
