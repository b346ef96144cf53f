// Loudness, as a level and in words.

export const LEVELS = 4; // speech is seldom louder than a quarter of what fits

const WORDS = [[0.004, "silent"], [0.02, "very quiet"], [0.06, "quiet"], [0.5, "good"], [Infinity, "too loud"]];

export const word = (level) => WORDS.find(([limit]) => level < limit)[1];
