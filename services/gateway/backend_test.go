package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bedlamlab/bedlam/services/cart/cartpb"
	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
	"github.com/bedlamlab/bedlam/services/checkout/checkoutpb"
	"github.com/bedlamlab/bedlam/services/gateway"
	"github.com/bedlamlab/bedlam/services/internal/call"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
	"github.com/bedlamlab/bedlam/services/orders/orderspb"
	"github.com/bedlamlab/bedlam/services/recommend/recommendpb"
	"github.com/bedlamlab/bedlam/topology"
)

// backend is all that stands behind the gateway, in memory and behind real
// sockets. It works; each service of it can be told to do otherwise.
type backend struct {
	mu      sync.Mutex
	trouble map[string]func(context.Context) error // by service
	calls   map[string]int                         // by service
	carts   map[string][]*cartpb.Line
	keys    map[string]bool
	orders  map[string]*orderspb.Order
	placed  *checkoutpb.Placed // what the checkout answers, if not a paid order
	stale   bool
	named   string // the name of every product
}

// meet counts a call and does what the service was told to do.
func (b *backend) meet(ctx context.Context, service string) error {
	b.mu.Lock()
	b.calls[service]++
	do := b.trouble[service]
	b.mu.Unlock()
	if do != nil {
		return do(ctx)
	}
	return nil
}

func (b *backend) tell(service string, do func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[service] = do
}

func (b *backend) asked(service string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[service]
}

func failWith(c codes.Code) func(context.Context) error {
	return func(context.Context) error { return status.Error(c, "as told") }
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

const products = 30

func (b *backend) product(rank int) *catalogpb.Product {
	return &catalogpb.Product{Sku: fmt.Sprintf("P%05d", rank), Name: b.named, Description: "A thing.", Category: "things",
		Price: int64(100 * rank), Currency: "EUR", Rank: int32(rank), Scarce: rank == 5, Stale: b.stale}
}

func (b *backend) find(sku string) *catalogpb.Product {
	for i := range products {
		if p := b.product(i + 1); p.GetSku() == sku {
			return p
		}
	}
	return nil
}

// Each contract has a server of its own, because they share names of methods.

type catalogServer struct {
	catalogpb.UnimplementedCatalogServer
	*backend
}

func (b catalogServer) List(ctx context.Context, r *catalogpb.ListRequest) (*catalogpb.ListResponse, error) {
	if err := b.meet(ctx, "catalog"); err != nil {
		return nil, err
	}
	page := &catalogpb.ListResponse{Total: products, Stale: b.stale}
	for i := int(r.GetOffset()); i < min(int(r.GetOffset()+r.GetLimit()), products); i++ {
		page.Products = append(page.Products, b.product(i+1))
	}
	return page, nil
}

func (b catalogServer) Get(ctx context.Context, r *catalogpb.GetRequest) (*catalogpb.Product, error) {
	if err := b.meet(ctx, "catalog"); err != nil {
		return nil, err
	}
	if p := b.find(r.GetSku()); p != nil {
		return p, nil
	}
	return nil, status.Error(codes.NotFound, "no such product")
}

func (b catalogServer) GetMany(ctx context.Context, r *catalogpb.GetManyRequest) (*catalogpb.GetManyResponse, error) {
	if err := b.meet(ctx, "catalog"); err != nil {
		return nil, err
	}
	many := &catalogpb.GetManyResponse{}
	for _, sku := range r.GetSkus() {
		if p := b.find(sku); p != nil {
			many.Products = append(many.Products, p)
		}
	}
	return many, nil
}

type recommendServer struct {
	recommendpb.UnimplementedRecommendServer
	*backend
}

func (b recommendServer) For(ctx context.Context, r *recommendpb.ForRequest) (*recommendpb.ForResponse, error) {
	if err := b.meet(ctx, "recommend"); err != nil {
		return nil, err
	}
	return &recommendpb.ForResponse{Skus: []string{"P00020", "P00021", "P00022", "P00023", "P00024"}[:r.GetLimit()]}, nil
}

type cartServer struct {
	cartpb.UnimplementedCartServer
	*backend
}

func (b cartServer) contents(cart string) *cartpb.Contents {
	return &cartpb.Contents{Cart: cart, Lines: slices.Clone(b.carts[cart])}
}

func (b cartServer) Add(ctx context.Context, r *cartpb.AddRequest) (*cartpb.Contents, error) {
	if err := b.meet(ctx, "cart"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.keys[r.GetKey()] {
		b.keys[r.GetKey()] = true
		b.carts[r.GetCart()] = append(b.carts[r.GetCart()], &cartpb.Line{Sku: r.GetSku(), Quantity: r.GetQuantity()})
	}
	return b.contents(r.GetCart()), nil
}

func (b cartServer) Remove(ctx context.Context, r *cartpb.RemoveRequest) (*cartpb.Contents, error) {
	if err := b.meet(ctx, "cart"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.carts[r.GetCart()] = slices.DeleteFunc(b.carts[r.GetCart()], func(l *cartpb.Line) bool { return l.GetSku() == r.GetSku() })
	return b.contents(r.GetCart()), nil
}

func (b cartServer) Get(ctx context.Context, r *cartpb.GetRequest) (*cartpb.Contents, error) {
	if err := b.meet(ctx, "cart"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.contents(r.GetCart()), nil
}

type checkoutServer struct {
	checkoutpb.UnimplementedCheckoutServer
	*backend
}

func (b checkoutServer) Place(ctx context.Context, r *checkoutpb.PlaceRequest) (*checkoutpb.Placed, error) {
	if err := b.meet(ctx, "checkout"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.placed != nil {
		return b.placed, nil
	}
	o := &orderspb.Order{Order: "o-" + r.GetKey(), Key: r.GetKey(), Customer: r.GetCustomer(), State: "PAID"}
	for _, l := range b.carts[r.GetCart()] {
		o.Lines = append(o.Lines, &orderspb.Line{Sku: l.GetSku(), Quantity: l.GetQuantity(), Price: 100})
		o.Total += 100 * int64(l.GetQuantity())
	}
	b.orders[o.GetOrder()] = o
	return &checkoutpb.Placed{Order: o.GetOrder(), State: "PAID", Total: o.GetTotal()}, nil
}

type ordersServer struct {
	orderspb.UnimplementedOrdersServer
	*backend
}

func (b ordersServer) Get(ctx context.Context, r *orderspb.GetRequest) (*orderspb.Order, error) {
	if err := b.meet(ctx, "orders"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.orders[r.GetOrder()]; o != nil {
		return o, nil
	}
	return nil, status.Error(codes.NotFound, "no such order")
}

// A site is a gateway with its backend, as its visitors see it.
type site struct {
	*backend
	t      *testing.T
	url    string
	client *http.Client
}

// open starts a gateway. Policies may be nil; settings too.
func open(t *testing.T, policies map[string]topology.Policy, settings map[string]string) *site {
	t.Helper()
	b := &backend{trouble: map[string]func(context.Context) error{}, calls: map[string]int{}, carts: map[string][]*cartpb.Line{},
		keys: map[string]bool{}, orders: map[string]*orderspb.Order{}, named: "A thing"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(call.AllowKeepalive())
	catalogpb.RegisterCatalogServer(g, catalogServer{backend: b})
	recommendpb.RegisterRecommendServer(g, recommendServer{backend: b})
	cartpb.RegisterCartServer(g, cartServer{backend: b})
	checkoutpb.RegisterCheckoutServer(g, checkoutServer{backend: b})
	orderspb.RegisterOrdersServer(g, ordersServer{backend: b})
	go g.Serve(l)
	t.Cleanup(g.Stop)

	a := topology.Assignment{System: "shop", Instance: topology.Instance{Name: "gateway-1", Service: "gateway"},
		Listen: servetest.Address(t), Peers: map[string][]topology.Peer{}, Policies: policies, Settings: settings}
	for _, service := range []string{"catalog", "recommend", "cart", "checkout", "orders"} {
		a.Peers[service] = []topology.Peer{{Instance: service + "-1", Address: l.Addr().String()}}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx, a) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{backend: b, t: t, url: "http://" + a.Listen, client: &http.Client{Jar: jar, Transport: &http.Transport{}}}
	t.Cleanup(s.client.CloseIdleConnections)
	servetest.Await(t, "the gateway to be ready", func() bool {
		answer, err := s.client.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return s
}

// An answer is what came back, read to its end.
type answer struct {
	code   int
	header http.Header
	body   string
	path   string // after redirects
}

// ask sends a request; headers are name and value in turn. It may be used
// from other goroutines than the test's.
func (s *site) ask(method, path, body string, headers ...string) answer {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := s.client.Do(r)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	return answer{got.StatusCode, got.Header, string(text), got.Request.URL.Path}
}

func (s *site) get(path string, headers ...string) answer { return s.ask("GET", path, "", headers...) }
