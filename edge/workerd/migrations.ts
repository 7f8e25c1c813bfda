/** The tables of `edge.db`, in a Durable Object: every file of `migrations/edge/`, in order (a test compares). */
import tables from "../../migrations/edge/0000_tables.sql";
import offlineSums from "../../migrations/edge/0001_offline_sums.sql";
import type { Migration } from "./storage.ts";

export const EDGE_MIGRATIONS: readonly Migration[] = [
  { name: "0000_tables.sql", sql: tables },
  { name: "0001_offline_sums.sql", sql: offlineSums },
];
