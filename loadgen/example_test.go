package loadgen_test

import (
	"fmt"

	"github.com/bedlamlab/bedlam/loadgen"
)

// What a seed means can be seen without a shop.
func ExampleNewPlanner() {
	p, err := loadgen.NewPlanner(7, []string{"P00001", "P00002", "P00003"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var s loadgen.Script
	p.Script(1, &s)
	fmt.Println(s.Kind)
	for _, step := range s.Steps {
		fmt.Println(step.Class)
	}
	// Output:
	// buy
	// product
	// cart-add
	// product
	// cart-add
	// checkout
	// order
}

func ExampleNewArrivals() {
	a, err := loadgen.NewArrivals(loadgen.Constant, 7, 40)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Next(), a.Next(), a.Next())
	// Output: 0s 25ms 50ms
}
