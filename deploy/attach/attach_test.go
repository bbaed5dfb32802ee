package attach

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/services"
)

const small = `name: small
zones: [a, b]
services:
  - {name: front, tier: web, replicas: 2, protocol: http, store: db}
  - {name: db, tier: store, replicas: 1, protocol: postgres}
edges:
  - {from: loader, to: front, protocol: http}
  - from: front
    to: db
    protocol: postgres
    policy: {timeout: 250ms}
containers: {label: com.example.replica, with: {com.example.stack: small}}
addresses:
  front-1: 127.0.0.1:8081
  front-2: 127.0.0.1:8082
  db-1: db-1:5432
stores:
  db: postgres://audit:secret@db-1:5432/postgres
telemetry: 172.30.0.1:4318
`

func TestParse(t *testing.T) {
	f, err := parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := f.Edge("front", "db"); !ok || e.Policy.Timeout.String() != "250ms" || len(f.Instances()) != 3 {
		t.Errorf("read as %+v", f)
	}
	if f.Containers.Key() != "com.example.replica" || f.Containers.With["com.example.stack"] != "small" || f.Addresses["front-2"] != "127.0.0.1:8082" {
		t.Errorf("read as %+v", f)
	}
	if len(f.Entries()) != 2 || len(f.Lacks()) != 0 {
		t.Errorf("customers come in at %v, it lacks %v", f.Entries(), f.Lacks())
	}
	if key := (Containers{}).Key(); key != "dev.bedlam.instance" {
		t.Errorf("without a label, containers are found by %s", key)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"replicas: 2", "replica: 2", `small.yaml:4: unknown key replica`},
		{"timeout: 250ms", "timeuot: 250ms", `small.yaml:11: unknown key timeuot`},
		{"timeout: 250ms", "timeout: soon", `small.yaml`},
		{"addresses:", "adresses:", `small.yaml:13: unknown key adresses`},
		{"label: com", "labels: com", `small.yaml:12: unknown key labels`},
		{"zones: [a, b]", "name: twice", `small.yaml:2: mapping key "name" already defined at line 1`},
		{"name: small\n", "", "the system has no name"},
		{"replicas: 2", "replicas: 0", "has 0 replicas"},
		{"replicas: 2", "replicas: 1001", "has 1001 replicas, want at most 1000"},
		{"front-2: 127", "front-3: 127", "there is no instance front-3"},
		{"  front-2: 127.0.0.1:8082\n", "", "front-2 has none: it is where customers come in"},
		{"127.0.0.1:8082", "front-2:8080", "front-2: its container's own address may change"},
		{"127.0.0.1:8082", "127.0.0.1", "is no host:port"},
		{"127.0.0.1:8082", "127.0.0.1:http", "the port must be"},
		{"127.0.0.1:8082", "':8082'", "is no host:port"},
		{"  db: postgres:", "  front: postgres:", "front is no store"},
		{"postgres://audit", "mysql://audit", "want a URL like"},
		{"172.30.0.1:4318", "here", "telemetry:"},
		{"  - {from: loader, to: front, protocol: http}\n", "", "customers cannot come in"},
		{small, "", "holds no system"},
		{"telemetry:", "---\ntelemetry:", "more than one document"},
	} {
		text := strings.Replace(small, c.from, c.to, 1)
		if text == small {
			t.Fatalf("%q is not in the file", c.from)
		}
		_, err := parse("small.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "small.yaml:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want %q", c.to, err, c.want)
		}
	}
}

func TestAPasswordIsNotSaid(t *testing.T) {
	for _, dsn := range []string{"postgres://audit:se%zzcret@db-1:5432/postgres", "se%zzcret"} {
		_, err := parse("small.yaml", []byte(strings.Replace(small, "postgres://audit:secret@db-1:5432/postgres", dsn, 1)))
		if err == nil || strings.Contains(err.Error(), "zzcret") {
			t.Errorf("%q: got %v", dsn, err)
		}
	}
}

func TestLacks(t *testing.T) {
	text := small[:strings.Index(small, "stores:\n")]
	f, err := parse("small.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lacks := f.Lacks()
	if !strings.Contains(lacks["traces"], "small.yaml names no telemetry") || !strings.Contains(lacks["audit"], "small.yaml names no store") {
		t.Errorf("it lacks %v", lacks)
	}
}

// TestTheShopSurvives writes the largest system that there is, and reads it.
func TestTheShopSurvives(t *testing.T) {
	want := File{System: services.Shop(), Path: "shop.yaml",
		Addresses: map[string]string{"gateway-1": "127.0.0.1:8080", "gateway-2": "127.0.0.1:8081"}}
	b, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse("shop.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("name: x\nservices: [{name: [}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse("fuzz.yaml", b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if err := got.Validate(); err != nil {
			t.Errorf("what was read is not valid: %v", err)
		}
	})
}
