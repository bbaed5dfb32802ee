package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// web answers every request with 200, /die by dying, until SIGTERM.
func web(address string) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(0)
	}()
	fmt.Println("alive")
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/die" {
			os.Exit(3)
		}
	}))
}
