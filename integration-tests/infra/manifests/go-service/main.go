// A service with OpenTelemetry's stock SDK for Go: it makes traces of two spans, every tenth of which fails,
// and sends them where OTEL_EXPORTER_OTLP_* says, by the protocol of its first argument.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

const traces = 100

func exporter(ctx context.Context, protocol string) (*otlptrace.Exporter, error) {
	if protocol == "grpc" {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func main() {
	ctx := context.Background()
	sender, err := exporter(ctx, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(sender))
	tracer := provider.Tracer("shop")
	for number := range traces {
		inside, root := tracer.Start(ctx, "checkout")
		_, child := tracer.Start(inside, "charge")
		child.SetAttributes(attribute.Int("order.number", number), attribute.StringSlice("order.items", []string{"tea", "ü"}))
		child.AddEvent("charged")
		if number%10 == 0 {
			child.SetStatus(codes.Error, "card declined")
		}
		child.End()
		root.End()
		fmt.Println(root.SpanContext().TraceID())
	}
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
