/* Made-up container names: two words of our own lists, some 10,000 pairs; the store refuses doubles. */
#include "base/rand.h"
#include "engine/priv.h"

static const char left[][10] = {
	"able",	  "amber",  "ample",   "apt",	 "arctic", "autumn", "bold",	 "brave", "bright",
	"brisk",  "calm",   "candid",  "clear",	 "clever", "cosmic", "cosy",	 "crisp", "curious",
	"dapper", "daring", "deft",    "eager",	 "early",  "easy",   "fair",	 "fancy", "fleet",
	"fond",	  "frank",  "free",    "fresh",	 "gentle", "glad",   "golden",	 "grand", "happy",
	"hardy",  "honest", "humble",  "ideal",	 "jolly",  "jovial", "keen",	 "kind",  "lively",
	"loyal",  "lucid",  "lucky",   "mellow", "merry",  "mighty", "modest",	 "neat",  "nimble",
	"noble",  "novel",  "patient", "placid", "plucky", "polite", "prime",	 "proud", "quick",
	"quiet",  "rapid",  "ready",   "robust", "rosy",   "royal",  "rustic",	 "savvy", "serene",
	"sharp",  "silver", "sleek",   "smart",	 "snug",   "solar",  "solid",	 "spry",  "steady",
	"stoic",  "sturdy", "sunny",   "swift",	 "tender", "tidy",   "tranquil", "trim",  "upbeat",
	"vast",	  "vivid",  "warm",    "wise",	 "witty",  "worthy", "young",	 "zesty",
};

/* People of metals, ships, boxes, and of computing. */
static const char right[][14] = {
	"aiken",     "allen",	   "antonelli", "backus",    "bartik",	 "bessemer",  "booth",
	"boyle",     "brunel",	   "chandra",	"church",    "codd",	 "cray",      "curie",
	"darby",     "davy",	   "diesel",	"dijkstra",  "eckert",	 "engelbart", "euler",
	"faraday",   "fermi",	   "floyd",	"forrester", "fourier",	 "gauss",     "goldberg",
	"goldstine", "gray",	   "hamilton",	"hamming",   "hoare",	 "hollerith", "holberton",
	"hopper",    "huffman",	   "hypatia",	"iverson",   "jacquard", "johnson",   "kahn",
	"karp",	     "keller",	   "kilburn",	"kilby",     "knuth",	 "lamarr",    "lamport",
	"lampson",   "leibniz",	   "liskov",	"lovelace",  "lovell",	 "mauchly",   "maxwell",
	"mccarthy",  "mclean",	   "meitner",	"menabrea",  "metcalfe", "minsky",    "moore",
	"napier",    "naur",	   "newell",	"newton",    "noether",	 "noyce",     "nygaard",
	"pascal",    "perlis",	   "perlman",	"planck",    "postel",	 "rabin",     "ramanujan",
	"ritchie",   "rivest",	   "sammet",	"scott",     "shannon",	 "shockley",  "siemens",
	"simon",     "somerville", "stibitz",	"strachey",  "tarjan",	 "telford",   "thompson",
	"torres",    "turing",	   "vaughan",	"volta",     "watt",	 "wiener",    "wilkes",
	"wilkinson", "wirth",	   "wozniak",	"yao",	     "zuse",
};

const char *engine_random_name(struct arena *a)
{
	uint64_t v = rand_u64();

	return arena_printf(a, "%s_%s", left[v % ARRAY_LEN(left)],
			    right[(v >> 32) % ARRAY_LEN(right)]);
}
