export type Greeting = { name: string; greeting: string };

export function greet(name: string): Greeting {
  return { name, greeting: `Hello, ${name}!` };
}
