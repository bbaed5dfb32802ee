package catalog

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

// maxProducts is how many SKUs of five digits there are.
const maxProducts = 99999

// scarceRanks are popular products of which few are in stock: spread over the
// first page, where the customers are, so that several of them want the last.
var scarceRanks = []int{5, 12, 25, 40, 60}

// A shelf is a category: what stands on it, what it costs on the whole (cents)
// and what is said of it.
type shelf struct {
	category string
	things   []string
	typical  float64
	praise   []string
}

var shelves = []shelf{
	{"kitchen", []string{"kettle", "frying pan", "cutting board", "teapot", "whisk", "mixing bowl", "pepper mill"}, 2900,
		[]string{"Goes into the dishwasher.", "Sits well in the hand.", "Keeps its heat."}},
	{"books", []string{"cookbook", "atlas", "field guide", "novel", "notebook", "dictionary"}, 1800,
		[]string{"Thread-stitched, lies flat when open.", "With an index worth the name.", "Printed on paper that does not yellow."}},
	{"garden", []string{"watering can", "trowel", "bird house", "plant pot", "hedge shears", "rain gauge"}, 2400,
		[]string{"Stands frost and rain.", "Made to be left outside.", "For left and right hands."}},
	{"outdoor", []string{"rucksack", "tent lamp", "water bottle", "sleeping mat", "camp stove", "compass"}, 5400,
		[]string{"Light enough for the third day.", "Repairable with what is in the bag.", "Tried in the wind."}},
	{"home", []string{"desk lamp", "wool blanket", "wall clock", "coat hook", "doormat", "picture frame", "cushion"}, 4200,
		[]string{"Looks at home anywhere.", "Comes with screws and a plan.", "Easy to clean."}},
	{"toys", []string{"wooden train", "kite", "puzzle", "marble run", "hand puppet", "building set"}, 3100,
		[]string{"From three years up.", "With spare parts.", "Without batteries."}},
	{"office", []string{"fountain pen", "stapler", "letter tray", "desk pad", "pencil case", "hole punch"}, 1500,
		[]string{"Refills are easy to find.", "Heavy enough to stay where it is.", "For much use."}},
	{"music", []string{"harmonica", "music stand", "metronome", "tambourine", "tuning fork", "ukulele"}, 6200,
		[]string{"In tune out of the box.", "With a soft bag.", "For beginners and others."}},
}

var (
	looks = []string{"small", "large", "plain", "striped", "blue", "red", "green", "grey", "folding", "sturdy", "round", "classic"}
	stuff = []string{"oak", "steel", "brass", "linen", "copper", "ash", "enamel", "cork", "glass", "leather", "tin", "beech"}
)

// generate makes count products, the same ones for the same seed: those of a
// smaller count are the first ones of a larger.
func generate(seed uint64, count int) []*catalogpb.Product {
	products := make([]*catalogpb.Product, count)
	for i := range products {
		rank := i + 1
		// A stream for each product, so that one does not depend on another.
		r := rand.New(rand.NewPCG(seed, uint64(rank)))
		on := shelves[r.IntN(len(shelves))]
		thing, look, material := pick(r, on.things), pick(r, looks), pick(r, stuff)
		products[i] = &catalogpb.Product{
			Sku:         fmt.Sprintf("P%05d", rank),
			Rank:        int32(rank),
			Name:        fmt.Sprintf("%s %s %s", capital(look), material, thing),
			Description: fmt.Sprintf("A %s %s, made with %s. %s", look, thing, material, pick(r, on.praise)),
			Category:    on.category,
			Price:       price(r, on.typical),
			Currency:    "EUR",
			Scarce:      slices.Contains(scarceRanks, rank),
		}
	}
	return products
}

// price draws around what is typical, as prices lie: many a little below, a
// few far above; and ends, as prices do, in 99 or 49.
func price(r *rand.Rand, typical float64) int64 {
	p := int64(typical * math.Exp(r.NormFloat64()*0.5))
	p = min(max(p, 99), 99_999) // nothing below a coin or above a month's rent
	return p/50*50 + 49
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func capital(s string) string { return string(s[0]-'a'+'A') + s[1:] }
