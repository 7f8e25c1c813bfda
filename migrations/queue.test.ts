import { expect, test } from "vitest";
import { GroupCommit } from "./queue.ts";

test("items that arrive during a commit share the next one, in order", async () => {
  const batches: number[][] = [];
  const queue = new GroupCommit<number, number>(async (items) => {
    batches.push([...items]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return items.map((item) => item * 10);
  });
  const first = queue.submit(1);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const rest = [2, 3, 4].map((item) => queue.submit(item));
  expect(await Promise.all([first, ...rest])).toEqual([10, 20, 30, 40]);
  expect(batches).toEqual([[1], [2, 3, 4]]);
});

test("a batch that fails rejects its own items and no others", async () => {
  let calls = 0;
  const queue = new GroupCommit<string, string>(async (items) => {
    calls++;
    if (calls === 1) throw new Error("disk full");
    return items;
  });
  await expect(queue.submit("a")).rejects.toThrow("disk full");
  expect(await queue.submit("b")).toBe("b");
});

test("a commit that answers for too few items is a bug and says so", async () => {
  const queue = new GroupCommit<number, number>(async () => []);
  await expect(queue.submit(1)).rejects.toThrow("0 outcomes for 1 items");
});

test("a batch never passes its limit", async () => {
  const sizes: number[] = [];
  const queue = new GroupCommit<number, number>(async (items) => {
    sizes.push(items.length);
    return items;
  }, 4);
  await Promise.all(Array.from({ length: 10 }, (_, n) => queue.submit(n)));
  expect(sizes).toEqual([4, 4, 2]);
});

test("idle resolves when nothing waits any more", async () => {
  const done: number[] = [];
  const queue = new GroupCommit<number, number>(async (items) => {
    done.push(...items);
    return items;
  });
  void queue.submit(1);
  void queue.submit(2);
  await queue.idle();
  expect(done).toEqual([1, 2]);
  expect(queue.depth).toBe(0);
});
