// Times as the exchange writes them (ISO 8601, UTC) for people, in their own time zone.

function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function clock(iso: string): string {
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function day(iso: string): string {
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

export function moment(iso: string): string {
  return `${day(iso)} ${clock(iso)}`;
}

// The time of day for today, else the date too.
export function brief(iso: string): string {
  return day(iso) === day(new Date().toISOString()) ? clock(iso) : moment(iso);
}

// Seconds as "1:02:03" or "2:03".
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}
