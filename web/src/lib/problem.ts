// What went wrong, as the exchange writes it (RFC 9457), or as this page does in its place.

import type { ProblemAnswer } from "./api-types.ts";

export type Problem = ProblemAnswer;

export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export function problemOf(code: string, status: number, detail: string): ProblemError {
  return new ProblemError({ type: `urn:puhui:problem:${code}`, title: code, status, detail, code });
}

// The problem, whatever was thrown.
export function asProblem(error: unknown): Problem {
  if (error instanceof ProblemError) {
    return error.problem;
  }
  return problemOf("page_failed", 0, error instanceof Error ? error.message : String(error)).problem;
}
